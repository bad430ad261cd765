package send

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// nameServer responds to DNS queries on loopback. answer returns the addresses of a name, or the
// response code if there are none. Response code -1 means silence.
func nameServer(t testing.TB, answer func(name string) (addrs []netip.Addr, rcode int)) *lookups {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := dnsReply(buf[:n], answer); reply != nil {
				c.WriteTo(reply, from)
			}
		}
	}()
	return asks(c.LocalAddr().String())
}

// asks makes all lookups use this name server.
func asks(address string) *lookups {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", address)
	}}
	return &lookups{first: resolver, whole: resolver}
}

// dnsReply builds the answer to one question (RFC 1035, section 4).
func dnsReply(query []byte, answer func(string) ([]netip.Addr, int)) []byte {
	name, end := dnsName(query)
	kind := binary.BigEndian.Uint16(query[end:])
	addrs, rcode := answer(name)
	if rcode < 0 {
		return nil
	}
	var records []byte
	count := 0
	for _, addr := range addrs {
		if addr.Is4() && kind == 1 || addr.Is6() && kind == 28 {
			count++
			ip := addr.AsSlice()
			records = append(records, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(ip)))
			records = append(records, ip...)
		}
	}
	reply := []byte{query[0], query[1], 0x81, 0x80 | byte(rcode), 0, 1, 0, byte(count), 0, 0, 0, 0}
	reply = append(reply, query[12:end+4]...)
	return append(reply, records...)
}

func dnsName(query []byte) (name string, end int) {
	var labels []string
	for end = 12; query[end] != 0; end += int(query[end]) + 1 {
		labels = append(labels, string(query[end+1:end+1+int(query[end])]))
	}
	return strings.Join(labels, "."), end + 1
}

func addrs(all ...string) (list []netip.Addr) {
	for _, a := range all {
		list = append(list, netip.MustParseAddr(a))
	}
	return list
}

// only127 allows loopback, where the tests listen, and no other address that is not public.
func only127() *Guard {
	return NewGuard(Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
}

func TestNames(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	r := receive(t, answers(&n, okResponse))
	_, port, _ := net.SplitHostPort(r.addr)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, closed, _ := net.SplitHostPort(l.Addr().String())

	tests := []struct {
		name  string
		addrs []netip.Addr
		rcode int
		port  string
		code  event.Code
		words string
		peer  string
	}{
		{"an address that may be called", addrs("127.0.0.1"), 0, port, "", "", r.addr},
		{"private", addrs("10.1.2.3"), 0, port, event.CodeBlocked, "the name x.example is blocked: it resolves to a private address (RFC 1918); the log says which, and the operator can allow it with HOOKFERRY_ALLOW_TARGETS", ""},
		{"metadata", addrs("169.254.169.254"), 0, port, event.CodeBlocked, "the name x.example is blocked: it resolves to a link-local address, which clouds use for metadata (RFC 3927)", ""},
		{"private in IPv6", addrs("fd00::1"), 0, port, event.CodeBlocked, "the name x.example is blocked: it resolves to a private (unique local) address", ""},
		{"an address that embeds a private one", addrs("2a00::5efe:10.1.2.3"), 0, port, event.CodeBlocked, "the name x.example is blocked: it resolves to a private address (RFC 1918)", ""},
		{"several, all private", addrs("10.1.2.3", "192.168.1.1", "fd00::1"), 0, port, event.CodeBlocked, "", ""},
		{"private addresses and one that may be called", addrs("10.1.2.3", "127.0.0.2", "fd00::1", "127.0.0.1"), 0, port, "", "", r.addr},
		{"a blocked address, then one on which nothing listens", addrs("127.0.0.2", "127.0.0.1"), 0, closed, event.CodeConnectionRefused, "connection refused by 127.0.0.1:" + closed, "127.0.0.1:" + closed},
		{"no such name", nil, 3, port, event.CodeDNS, "the name x.example could not be resolved: no such host", ""},
		{"no addresses", nil, 0, port, event.CodeDNS, "the name x.example could not be resolved: no such host", ""},
		{"trouble", nil, 2, port, event.CodeDNS, "the name x.example could not be resolved: server misbehaving", ""},
		{"silence", nil, -1, port, event.CodeDNS, "the name x.example could not be resolved within 500ms", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Options{Guard: only127()})
			defer s.Close()
			s.lookups = nameServer(t, func(string) ([]netip.Addr, int) { return tt.addrs, tt.rcode })
			sub := subscription("http://x.example:" + tt.port + "/")
			sub.Timeout = short
			o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()})
			if o.Code != tt.code || !strings.HasPrefix(o.Error, tt.words) {
				t.Errorf("got %s: %q\nwant %s: %q", o.Code, o.Error, tt.code, tt.words)
			}
			if o.Peer != tt.peer {
				t.Errorf("peer %q, want %q", o.Peer, tt.peer)
			}
			if o.Phases.DNS <= 0 && tt.rcode == 0 {
				t.Error("the lookup took no time")
			}
		})
	}
}

// A name that was allowed once is checked again with each dial.
func TestRebinding(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	r := receive(t, answers(&n, okResponse))
	_, port, _ := net.SplitHostPort(r.addr)
	var moved atomic.Bool
	s := New(Options{Guard: only127()})
	defer s.Close()
	s.lookups = nameServer(t, func(string) ([]netip.Addr, int) {
		if moved.Load() {
			return addrs("127.0.0.2"), 0
		}
		return addrs("127.0.0.1"), 0
	})
	sub := subscription("http://x.example:" + port + "/")
	if o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()}); !o.Success() {
		t.Fatal(o.Error)
	}
	moved.Store(true)
	s.Close() // the idle connection still leads to the old address
	if o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()}); o.Code != event.CodeBlocked || !strings.HasPrefix(o.Error, "the name x.example is blocked: it resolves to a loopback address") || !strings.HasPrefix(o.Detail, "127.0.0.2 is blocked: it is a loopback address") {
		t.Errorf("got %s: %q", o.Code, o.Error)
	}
}

// System errors that a test can't cause on loopback.
func TestFailureWords(t *testing.T) {
	t.Parallel()
	remote := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 443}
	fail := func(errno syscall.Errno) error { return &net.OpError{Op: "dial", Net: "tcp", Addr: remote, Err: errno} }
	tests := []struct {
		err   error
		stage stage
		code  event.Code
		words string
	}{
		{fail(syscall.ECONNREFUSED), connecting, event.CodeConnectionRefused, "connection refused by 203.0.113.7:443"},
		{fail(syscall.ENETUNREACH), connecting, event.CodeUnreachable, "203.0.113.7:443 can't be reached: network is unreachable"},
		{fail(syscall.EHOSTUNREACH), connecting, event.CodeUnreachable, "203.0.113.7:443 can't be reached: no route to host"},
		{fail(syscall.ETIMEDOUT), connecting, event.CodeTimeout, "203.0.113.7:443 does not respond: connection timed out"},
		{fail(syscall.EPIPE), sent, event.CodeConnectionReset, "203.0.113.7:443 reset the connection before it responded"},
		{fail(syscall.EMFILE), connecting, event.CodeNetwork, "the connection to 203.0.113.7:443 failed: too many open files"},
		{context.DeadlineExceeded, waiting, event.CodeTimeout, "could not connect to x.example within 60s"},
		{errors.New("something\nunforeseen"), sent, event.CodeNetwork, `the connection failed: something\nunforeseen`},
	}
	for _, short := range []error{fail(syscall.EMFILE), &net.DNSError{Err: "dial udp 10.0.0.1:53: socket: too many open files", Name: "x.example"}} {
		if !isOutOfResources(short) {
			t.Errorf("%v is not a fault of the endpoint", short)
		}
	}
	for _, tt := range tests {
		if isOutOfResources(tt.err) != errors.Is(tt.err, syscall.EMFILE) {
			t.Errorf("%v: counts as a lack of resources on this machine: %v", tt.err, isOutOfResources(tt.err))
		}
		a := newAttempt(t.Context(), time.Minute)
		a.stage = tt.stage
		if code, words := a.failure("x.example", tt.err); code != tt.code || words != tt.words {
			t.Errorf("got %s: %q\nwant %s: %q", code, words, tt.code, tt.words)
		}
	}
}
