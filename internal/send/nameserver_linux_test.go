package send

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// The behaviours of a name server besides addresses and response codes.
const (
	unanswered = -1 // no answer
	truncated  = -2 // truncated: ask again over TCP
)

// behave is the behaviour of a name server. n counts the queries, from 1.
type behave func(n int, name string, kind uint16) (list []netip.Addr, rcode int)

const kindA, kindAAAA = 1, 28

func knows(n int, name string, kind uint16) ([]netip.Addr, int) {
	switch name {
	case "x.example", "proxy.example":
		return addrs("127.0.0.1"), 0
	case "both.example":
		return addrs("127.0.0.1", "::1"), 0
	case "six.example":
		return addrs("::1"), 0
	}
	return nil, 3
}

func isMute(int, string, uint16) ([]netip.Addr, int)  { return nil, unanswered }
func isSick(int, string, uint16) ([]netip.Addr, int)  { return nil, 2 }
func isLarge(int, string, uint16) ([]netip.Addr, int) { return nil, truncated }

// without responds to all queries except those for one family.
func without(kind uint16) behave {
	return func(n int, name string, k uint16) ([]netip.Addr, int) {
		if k == kind {
			return nil, unanswered
		}
		return knows(n, name, k)
	}
}

// onlyEvery drops all queries except each nth one.
func onlyEvery(nth int) behave {
	return func(n int, name string, kind uint16) ([]netip.Addr, int) {
		if n%nth != 0 {
			return nil, unanswered
		}
		return knows(n, name, kind)
	}
}

// wildcard has an IPv6 address for every name of a search domain.
func wildcard(n int, name string, kind uint16) ([]netip.Addr, int) {
	if strings.HasSuffix(name, ".corp.test") {
		return addrs("::1"), 0
	}
	return knows(n, name, kind)
}

var nameServerCases = []struct {
	name    string
	servers []behave // at 127.0.1.1, 127.0.1.2, …; nil is none at that address
	options string   // further lines of resolv.conf
	host    string
	limit   time.Duration
	code    event.Code
	words   string
	peer    string
	proxied bool
}{
	{"one good server", []behave{knows}, "", "x.example", 4 * time.Second, "", "", "127.0.0.1", false},
	{"a silent server, then a good one", []behave{isMute, knows}, "", "x.example", 4 * time.Second, "", "", "127.0.0.1", false},
	{"two silent servers, then a good one", []behave{isMute, isMute, knows}, "", "x.example", 6 * time.Second, "", "", "127.0.0.1", false},
	{"a silent server, and a search list", []behave{isMute, knows}, "search a.test b.test c.test\noptions ndots:5", "x.example", 6 * time.Second, "", "", "127.0.0.1", false},
	{"nothing listens at the first server", []behave{nil, knows}, "", "x.example", 4 * time.Second, "", "", "127.0.0.1", false},
	{"the first server fails", []behave{isSick, knows}, "", "x.example", 4 * time.Second, "", "", "127.0.0.1", false},
	{"every second packet is lost", []behave{onlyEvery(2)}, "", "x.example", 6 * time.Second, "", "", "127.0.0.1", false},
	{"two of three packets are lost", []behave{onlyEvery(3)}, "options attempts:1 timeout:1", "x.example", 60 * time.Second, "", "", "127.0.0.1", false},
	{"no answer for IPv6", []behave{without(kindAAAA)}, "", "both.example", 4 * time.Second, "", "", "127.0.0.1", false},
	{"no answer for IPv4", []behave{without(kindA)}, "", "both.example", 4 * time.Second, "", "", "::1", false},
	{"only IPv6", []behave{knows}, "", "six.example", 4 * time.Second, "", "", "::1", false},
	{"more addresses than a packet holds", []behave{isLarge}, "", "x.example", 4 * time.Second, "", "", "127.0.0.1", false},
	{"only over TCP", []behave{knows}, "options use-vc", "x.example", 4 * time.Second, "", "", "127.0.0.1", false},
	{"the search list has the other family of another host", []behave{wildcard}, "search corp.test", "x.example", 4 * time.Second, "", "", "127.0.0.1", false},
	{"no such name", []behave{knows}, "", "no.example", 20 * time.Second, event.CodeDNS, "the name no.example could not be resolved: no such host", "", false},
	{"no such name, and no answer for IPv6", []behave{without(kindAAAA)}, "", "no.example", 20 * time.Second, event.CodeDNS, "the name no.example could not be resolved: no such host", "", false},
	{"silence", []behave{isMute, isMute}, "", "x.example", 2 * time.Second, event.CodeDNS, "the name x.example could not be resolved within 2s", "", false},
	{"a silent server, then the proxy's name", []behave{isMute, knows}, "", "x.example", 4 * time.Second, "", "", "127.0.0.1", true},
}

// inNamespace is the variable that names the case for the child process.
const inNamespace = "HOOKFERRY_TEST_NAMESERVERS"

// notAllowed is the exit status of a process that may not create what the case needs.
const notAllowed = 3

// TestNameServers uses its own name servers on port 53 and its own resolv.conf, so each case runs
// in a process with its own network and mounts. If these can't be created, the test says so:
// TestLookups tests the same with its own resolver.
func TestNameServers(t *testing.T) {
	if name := os.Getenv(inNamespace); name != "" {
		inside(t, name)
		return
	}
	for _, tt := range nameServerCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNameServers$")
			c.Env = append(os.Environ(), inNamespace+"="+tt.name, "GODEBUG=netdns=go")
			c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
			if os.Getuid() != 0 {
				c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
				c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
				c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
			}
			out, err := c.CombinedOutput()
			var ended *exec.ExitError
			switch isEnd := errors.As(err, &ended); {
			case err == nil:
			case isEnd && ended.ExitCode() == notAllowed, errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.ENOSYS):
				t.Logf("NOT TRIED with real name servers: this system does not allow a network namespace: %v %s", err, out)
			default:
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// inside runs in the process with its own network.
func inside(t *testing.T, name string) {
	for _, tt := range nameServerCases {
		if tt.name != name {
			continue
		}
		conf := "options timeout:5\n" + tt.options + "\n"
		for i := range tt.servers {
			conf += fmt.Sprintf("nameserver 127.0.1.%d\n", i+1)
		}
		if err := setUpNetwork(t, conf); err != nil {
			fmt.Println(err)
			os.Exit(notAllowed)
		}
		for i, b := range tt.servers {
			if b != nil {
				serveNames(t, fmt.Sprintf("127.0.1.%d:53", i+1), b)
			}
		}
		for _, host := range []string{"127.0.0.1", "::1"} {
			l, err := net.Listen("tcp", net.JoinHostPort(host, "8080"))
			if err != nil {
				t.Fatal(err)
			}
			go http.Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		}
		options := Options{Guard: allowLoopback()}
		if tt.proxied {
			_, port, _ := net.SplitHostPort(newConnectProxy(t, "127.0.0.1").addr)
			options.Proxy.Addr = "proxy.example:" + port
		}
		sub := subscription("http://" + tt.host + ":8080/")
		sub.Timeout = tt.limit
		o := New(options).Send(t.Context(), sub, event.Claimed{Event: someEvent()})
		if host, _, _ := net.SplitHostPort(o.Peer); o.Code != tt.code || o.Error != tt.words || host != tt.peer {
			t.Errorf("after %v: %s %q at %q; want %s %q at %q", o.Duration, o.Code, o.Error, o.Peer, tt.code, tt.words, tt.peer)
		}
		if o.Code == event.CodeDNS && !strings.Contains(o.Error, "within") && o.Duration > tt.limit/2 {
			t.Errorf("what was known at once took %v", o.Duration)
		}
		return
	}
	t.Fatalf("there is no case %q", name)
}

// setUpNetwork sets up loopback and a resolv.conf in a process with its own network.
func setUpNetwork(t *testing.T, conf string) error {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := syscall.Mount(file, "/etc/resolv.conf", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over /etc/resolv.conf: %w", err)
	}
	return loopbackUp()
}

// loopbackUp brings interface 1, the loopback, up by netlink (rtnetlink(7)).
func loopbackUp() error {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW, syscall.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open a netlink socket: %w", err)
	}
	defer syscall.Close(fd)
	e := binary.NativeEndian
	m := e.AppendUint32(nil, 32) // of the whole message
	m = e.AppendUint16(m, syscall.RTM_NEWLINK)
	m = e.AppendUint16(m, syscall.NLM_F_REQUEST|syscall.NLM_F_ACK)
	m = e.AppendUint64(m, 1) // the number of the message, and no process id
	m = e.AppendUint32(m, 0) // of any family and type
	m = e.AppendUint32(m, 1)
	m = e.AppendUint32(m, syscall.IFF_UP)
	m = e.AppendUint32(m, syscall.IFF_UP)
	if err := syscall.Sendto(fd, m, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	reply := make([]byte, 128)
	n, _, err := syscall.Recvfrom(fd, reply, 0)
	if err != nil || n < 20 {
		return fmt.Errorf("bring loopback up: %d bytes in reply, %w", n, err)
	}
	if code := int32(e.Uint32(reply[16:])); code != 0 {
		return fmt.Errorf("bring loopback up: %w", syscall.Errno(-code))
	}
	return nil
}

// serveNames runs a name server over UDP and TCP.
func serveNames(t *testing.T, address string, b behave) {
	t.Helper()
	var n atomic.Int32
	reply := func(query []byte, tcp bool) []byte {
		_, end := dnsName(query)
		kind := binary.BigEndian.Uint16(query[end:])
		cut := false
		r := dnsReply(query, func(name string) ([]netip.Addr, int) {
			list, rcode := b(int(n.Add(1)), name, kind)
			if cut = rcode == truncated && !tcp; cut {
				return nil, 0
			}
			if rcode == truncated {
				return knows(0, name, kind)
			}
			return list, rcode
		})
		if cut {
			r[2] |= 2
		}
		return r
	}
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			if r := reply(buf[:n], false); r != nil {
				udp.WriteTo(r, from)
			}
		}
	}()
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			go serveNamesOn(c, reply)
		}
	}()
}

func serveNamesOn(c net.Conn, reply func([]byte, bool) []byte) {
	defer c.Close()
	var size [2]byte
	for {
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		if r := reply(query, true); r != nil {
			c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...))
		}
	}
}
