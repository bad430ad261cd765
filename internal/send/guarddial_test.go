package send

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

// Only the operator may learn the address to which a name resolves: it is in the log, and not in
// anything that a caller reads.
func TestRefusedAddressesBehindNamesAreKept(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ addr, rule, detail string }{
		{"10.1.2.3", "a private address (RFC 1918)", "10.1.2.3 is blocked: it is a private address (RFC 1918); the operator can allow it with HOOKFERRY_ALLOW_TARGETS=10.1.2.3/32"},
		{"fd00:1234::1", "a private (unique local) address (RFC 4193)", "fd00:1234::1 is blocked: it is a private (unique local) address"},
		{"2a00::5efe:10.1.2.3", "a private address (RFC 1918)", "2a00::5efe:a01:203 embeds 10.1.2.3: 10.1.2.3 is blocked: it is a private address"},
		{"203.0.114.9", "an address listed in HOOKFERRY_DENY_TARGETS", "203.0.114.9 is blocked: it is listed in HOOKFERRY_DENY_TARGETS"},
	} {
		s := New(Options{Guard: NewGuard(Rules{Deny: prefixes("203.0.114.0/24")})})
		s.lookups = nameServer(t, func(string) ([]netip.Addr, int) { return addrs(tt.addr), 0 })
		o := s.Send(t.Context(), subscription("https://db.internal/"), event.Claimed{Event: someEvent()})
		if o.Code != event.CodeBlocked || !strings.HasPrefix(o.Error, "the name db.internal is blocked: it resolves to "+tt.rule) || !strings.HasPrefix(o.Detail, tt.detail) {
			t.Errorf("%s: %s: %q, and in the log %q", tt.addr, o.Code, o.Error, o.Detail)
		}
		if told := o.Error + o.Peer + string(o.Response); strings.Contains(told, tt.addr) || strings.Contains(told, "10.1.2.3") || o.Peer != "" {
			t.Errorf("the message reveals %s: %q", tt.addr, told)
		}
		s.Close()
	}
	// If the caller wrote the address, it is no secret.
	o := New(Options{}).Send(t.Context(), subscription("http://10.1.2.3/"), event.Claimed{Event: someEvent()})
	if o.Code != event.CodeBlocked || !strings.HasPrefix(o.Error, "10.1.2.3 is blocked: it is a private address (RFC 1918)") || o.Detail != "" {
		t.Errorf("%s: %q, and in the log %q", o.Code, o.Error, o.Detail)
	}
}

// If a name server can't be reached, the error contains its address.
func TestTheNameServerIsNotNamed(t *testing.T) {
	t.Parallel()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	s := New(Options{})
	defer s.Close()
	s.lookups = asks(c.LocalAddr().String())
	o := s.Send(t.Context(), subscription("http://x.example/"), event.Claimed{Event: someEvent()})
	if o.Code != event.CodeDNS || o.Error != "the name x.example could not be resolved: the name server can't be reached" {
		t.Errorf("%s: %q", o.Code, o.Error)
	}
}

// An attempt must not dial all addresses of a name that has very many.
func TestOnlySomeAddressesOfANameAreTried(t *testing.T) {
	t.Parallel()
	var many []netip.Addr
	for i := range 40 {
		many = append(many, netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nothing listens there, nor on that port of the other addresses
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, tt := range []struct {
		why   string
		guard *Guard
		code  event.Code
	}{
		{"all may be called, and refuse the connection", NewGuard(Rules{Allow: prefixes("127.0.1.0/24")}), event.CodeConnectionRefused},
		{"none may be called", NewGuard(Rules{}), event.CodeBlocked},
	} {
		s := New(Options{Guard: tt.guard})
		s.lookups = nameServer(t, func(string) ([]netip.Addr, int) { return many, 0 })
		var tried atomic.Int32
		s.dialer.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
			tried.Add(1)
			return control(ctx, network, address, c)
		}
		o := s.Send(t.Context(), subscription("http://x.example:"+port+"/"), event.Claimed{Event: someEvent()})
		if o.Code != tt.code || tried.Load() != maxAddresses {
			t.Errorf("%s: %d were tried, %s: %q", tt.why, tried.Load(), o.Code, o.Error)
		}
		s.Close()
	}
}

// Without the guard, each of these spellings would reach this machine. The receiver listens on all
// addresses and must not be called.
func TestHiddenFormsReachNobody(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", ":0") // IPv4 and IPv6
	if err != nil {
		t.Fatal(err)
	}
	var came atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())

	// Each name resolves to another form in which DNS may return this machine's address.
	forms := addrs("127.0.0.1", "127.255.255.254", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "::127.0.0.1", "::ffff:0:127.0.0.1",
		"64:ff9b::127.0.0.1", "64:ff9b:1::127.0.0.1", "64:ff9b:1:7f00:0:100::", "2002:7f00:1::", "2001:0:7f00:1::", "2001::80ff:fffe", "2a00::5efe:127.0.0.1", "2a00::200:5efe:127.0.0.1", "fe80::1", "fec0::1")
	hosts := []string{
		"127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0x7f.0.0.1", "0X7F.0X0.0X0.0X1", "017700000001", "0177.1", "0177.0.0.01", "00000177.0.0.1",
		"127.0.0.1.", "127.1.", "0", "0.0.0.0", "0x0", "00", "localhost", "LOCALHOST", "localhost.", "a.localhost", "a.b.localhost.",
		"１２７．０．０．１", "①②⑦.⓪.⓪.①", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "local\u00adhost", "127.0.0.1\u200b", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
		"127%2e0%2e0%2e1", "%31%32%37.0.0.1", "127.0.0.1%00", "127.0.0.1%20", "user@127.0.0.1", "example.com@127.0.0.1", "a:b@127.0.0.1", "example.com%2f@127.0.0.1",
		"[127.0.0.1]", "[::1%25lo]", "[::ffff:127.0.0.1%25lo]", "[fe80::1%25lo]", "[localhost]", "",
	}
	answer := map[string]netip.Addr{}
	for i, addr := range forms {
		name := "form" + strconv.Itoa(i) + ".example"
		answer[name] = addr
		hosts = append(hosts, name)
		if addr.Is6() {
			hosts = append(hosts, "["+addr.String()+"]")
		}
	}
	s := New(Options{})
	defer s.Close()
	s.lookups = nameServer(t, func(name string) ([]netip.Addr, int) {
		if addr, ok := answer[strings.TrimSuffix(name, ".")]; ok {
			return []netip.Addr{addr}, 0
		}
		return addrs("127.0.0.1", "::1"), 0 // a resolver that resolves any spelling to this machine
	})
	for _, host := range hosts {
		for _, scheme := range []string{"http", "https"} {
			target := scheme + "://" + host + ":" + port + "/"
			if o := s.Send(t.Context(), subscription(target), event.Claimed{Event: someEvent()}); o.Code != event.CodeBlocked && o.Code != event.CodeBadTarget {
				t.Errorf("%s: %s: %q", target, o.Code, o.Error)
			}
		}
	}
	if came.Load() != 0 {
		t.Errorf("%d connections were made", came.Load())
	}
}

func TestTheDialIsGuardedWhateverTheSpelling(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	defer s.Close()
	for _, host := range []string{
		"127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "[::ffff:7f00:1%lo]:1", "[::1%lo]:1",
		"0.0.0.0:1", "[::]:1", "[64:ff9b::7f00:1]:1",
	} {
		// As in Send, but without event.CheckTarget, which refuses some of these.
		a := newAttempt(t.Context(), short)
		_, err := s.open(a, &target{url: &url.URL{Scheme: "http", Host: host}, address: host})
		var blocked *blockedError
		if !errors.As(err, &blocked) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// FuzzTargets compares the whole path of a target, from its text through DNS to the dial, with
// what can be said about addresses without the guard: in whatever spelling, an accepted target
// leads only to public addresses, and a refused one is never dialled.
func FuzzTargets(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/webhook", "http://127.1/", "http://0x7f.1:80/", "http://2130706433/", "http://017700000001/", "http://8.8.8.8/", "http://8.8.8.8./", "http://010.8.8.8/",
		"http://[::1]/", "http://[::ffff:7f00:1]:8080/", "http://[2a00::5efe:7f00:1]/", "http://[2002:7f00:1::]/", "http://[64:ff9b::7f00:1]/", "http://[2606:4700::1111]:443/",
		"http://localhost/", "http://a.localhost./", "http://xn--a/", "http://user@10.0.0.1/", "http://10.0.0.1#@8.8.8.8/", "http://8.8.8.8\\@10.0.0.1/", "http://[fe80::1%25lo]/",
		"http://１２７.1/", "127。1", "0177.1", "0x7f000001", "[::ffff:0:7f00:1]", "[2001::80ff:fffe]", "LOCALHOST.", "10.1", "a:1", "167772161", "1.1.1.1:65535", "http://a.b/", "http://db/", "http://1.2.3.4.5/", "http://0/", "http://0x/", "http://127.0.0.1%00.example.com/",
	} {
		f.Add(seed)
	}
	answers := [][]netip.Addr{
		addrs("8.8.8.8"), addrs("127.0.0.1"), addrs("8.8.8.8", "10.0.0.1"), addrs("169.254.169.254", "2606:4700::1111"),
		addrs("::1", "8.8.8.8"), addrs("2a00::5efe:127.0.0.1"), addrs("64:ff9b::127.0.0.1", "::ffff:127.0.0.1"),
	}
	resolver := nameServer(f, func(name string) ([]netip.Addr, int) {
		sum := 0
		for _, c := range []byte(name) {
			sum += int(c)
		}
		return answers[sum%len(answers)], 0
	})
	var mu sync.Mutex
	var dialled []string
	note := func(address string) {
		mu.Lock()
		defer mu.Unlock()
		dialled = append(dialled, address)
	}
	direct := New(Options{Timeout: 2 * short})
	f.Cleanup(direct.Close)
	direct.lookups = resolver
	errDialled := errors.New("it would be dialled, which is enough to know")
	direct.dialer.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if err := control(ctx, network, address, c); err != nil {
			return err
		}
		note(address)
		return errDialled
	}
	proxy := receiveAt(f, "127.0.0.1", func(c net.Conn) {
		defer c.Close()
		if r := request(c); r != nil {
			note(r.RequestURI)
			io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\n\r\n")
		}
	})
	proxied := New(Options{Timeout: 2 * short, Proxy: Proxy{Addr: proxy.addr}})
	f.Cleanup(proxied.Close)
	proxied.lookups = resolver

	f.Fuzz(func(t *testing.T, raw string) {
		if !strings.Contains(raw, "://") { // most of what there is to find is in hosts
			raw = "http://" + raw + "/"
		}
		for _, s := range []*Sender{direct, proxied} {
			mu.Lock()
			dialled = nil
			mu.Unlock()
			o := s.Send(t.Context(), subscription(raw), event.Claimed{Event: someEvent()})
			mu.Lock()
			all := slices.Clone(dialled)
			mu.Unlock()
			checkDialled(t, raw, o, all)
		}
	})
}

func checkDialled(t *testing.T, raw string, o event.Outcome, dialled []string) {
	for _, address := range dialled {
		if addr := netip.MustParseAddrPort(address).Addr(); !plainlyPublic(addr.WithZone("")) {
			t.Fatalf("%q leads to %v", raw, addr)
		}
	}
	refused := event.CheckTarget(raw) != "" || NewGuard(Rules{}).CheckURL(raw) != nil
	if refused != (o.Code == event.CodeBadTarget || o.Code == event.CodeBlocked && o.Detail == "") || refused && len(dialled) > 0 {
		t.Fatalf("%q is refused as a URL: %v; but the attempt ends with %s: %q, and dialled %v", raw, refused, o.Code, o.Error, dialled)
	}
}
