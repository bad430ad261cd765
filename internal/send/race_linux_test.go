package send

import (
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

// The live one of several addresses is reached. Each dead one costs only a moment.
func TestADeadAddressBeforeALiveOne(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	live := receive(t, answers(&n, okResponse))
	_, port, _ := net.SplitHostPort(live.addr)
	mute(t, "127.0.0.8:"+port)
	mute(t, "127.0.0.9:"+port)
	s := newSender(t)
	s.lookups = nameServer(t, func(string) ([]netip.Addr, int) { return addrs("127.0.0.8", "127.0.0.9", "127.0.0.1"), 0 })
	sub := subscription("http://x.example:" + port + "/")
	if o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()}); !o.Success() || o.Peer != live.addr || o.Phases.Connect < nextAfter {
		t.Errorf("%s: %q, peer %s, connected after %v", o.Code, o.Error, o.Peer, o.Phases.Connect)
	}
	live.close()
	s.Close()
	sub.Timeout = 2 * short
	s.lookups = nameServer(t, func(string) ([]netip.Addr, int) { return addrs("127.0.0.8", "127.0.0.9"), 0 })
	want := "could not connect to 127.0.0.8:" + port + " or to 1 other address within 1s"
	if o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()}); o.Code != event.CodeTimeout || o.Error != want {
		t.Errorf("%s: %q, want %q", o.Code, o.Error, want)
	}
}

// mute listens at an address but accepts no further connection: its queue is full, and the system
// ignores new clients.
func mute(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) })
	if err != nil {
		t.Fatal(err)
	}
	for {
		c, err := net.DialTimeout("tcp", address, short)
		if err != nil {
			return // full
		}
		t.Cleanup(func() { c.Close() })
	}
}
