package send

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

// connectProxy is a real CONNECT proxy that records the requests. It connects to any target.
type connectProxy struct {
	*receiver
	mu    sync.Mutex
	asked []*http.Request
}

func newConnectProxy(t *testing.T, host string) *connectProxy {
	t.Helper()
	p := &connectProxy{}
	p.receiver = receiveAt(t, host, p.handle)
	return p
}

func (p *connectProxy) handle(c net.Conn) {
	defer c.Close()
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, r)
	p.mu.Unlock()
	target, err := net.Dial("tcp", r.RequestURI)
	if r.Method != http.MethodConnect || err != nil {
		io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nsecr")
		return
	}
	defer target.Close()
	io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		io.Copy(target, c)
		target.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(c, target)
}

func (p *connectProxy) targets() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.asked {
		list = append(list, r.RequestURI)
	}
	return list
}

// through returns a sender that uses the proxy, may call 127.0.0.1 as well as public addresses,
// and uses a test name server.
func through(t *testing.T, proxy string, answer ...string) *Sender {
	t.Helper()
	s := New(Options{Guard: only127(), Proxy: Proxy{Addr: proxy, User: "ferry", Password: "t0p-secret"}})
	t.Cleanup(s.Close)
	s.lookups = nameServer(t, func(string) ([]netip.Addr, int) { return addrs(answer...), 0 })
	return s
}

func TestProxy(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert := leaf()
	cert.DNSNames, cert.IPAddresses = []string{"x.example"}, nil
	var hello atomic.Value
	secure := tlsReceiver(t, &tls.Config{Certificates: []tls.Certificate{a.sign(t, cert)}, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		hello.Store(h.ServerName)
		return nil, nil
	}})
	var got http.Request
	plain := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = *r }))
	defer plain.Close()

	p := newConnectProxy(t, "127.0.0.1")
	s := through(t, p.addr, "127.0.0.1")
	s.tls.RootCAs = a.pool
	for _, server := range []*httptest.Server{plain, secure} {
		scheme, addr, _ := strings.Cut(server.URL, "://")
		_, port, _ := net.SplitHostPort(addr)
		sub := subscription(scheme + "://x.example:" + port + "/webhook")
		for range 3 {
			o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()})
			if !o.Success() || o.Peer != addr {
				t.Errorf("%s: %s: %q, peer %q", scheme, o.Code, o.Error, o.Peer)
			}
		}
		if o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()}); o.Phases.Connect != 0 {
			t.Error("the connection through the proxy was not reused")
		}
		if got := p.targets(); got[len(got)-1] != addr {
			t.Errorf("the proxy was told to connect to %v, want %v last", got, addr)
		}
	}
	if n := len(p.targets()); n != 2 {
		t.Errorf("%d tunnels, want one for each target", n)
	}
	if name := hello.Load(); name != "x.example" {
		t.Errorf("the TLS handshake names %v", name)
	}
	if !strings.HasPrefix(got.Host, "x.example:") || got.RequestURI != "/webhook" || got.Header.Get("Proxy-Authorization") != "" {
		t.Errorf("the endpoint got %s to %s with %v", got.RequestURI, got.Host, got.Header)
	}
	if login := p.asked[0].Header.Get("Proxy-Authorization"); login != "Basic ZmVycnk6dDBwLXNlY3JldA==" || p.asked[0].Host != p.targets()[0] {
		t.Errorf("the proxy got the credentials %q and the host %q", login, p.asked[0].Host)
	}
}

// The guard checks the target, not the proxy. The proxy's address is not allowed as a target, and
// the proxy is not called for a blocked target.
func TestTheGuardJudgesBehindTheProxy(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	r := receive(t, answers(&n, okResponse))
	_, port, _ := net.SplitHostPort(r.addr)
	p := newConnectProxy(t, "127.0.0.2")
	tests := []struct {
		why, target string
		answer      []string
		code        event.Code
		asked       string // the port apart
	}{
		{"a private address", "http://10.1.2.3:" + port + "/", nil, event.CodeBlocked, ""},
		{"the proxy's own address", "http://" + p.addr + "/", nil, event.CodeBlocked, ""},
		{"a name of the proxy's own address", "http://x.example:" + port + "/", []string{"127.0.0.2"}, event.CodeBlocked, ""},
		{"a name of this machine", "http://x.example:" + port + "/", []string{"::1", "0.0.0.0"}, event.CodeBlocked, ""},
		{"an embedded address", "https://x.example:" + port + "/", []string{"64:ff9b::127.0.0.1"}, event.CodeBlocked, ""},
		{"a name with addresses of both kinds", "http://x.example:" + port + "/", []string{"10.1.2.3", "127.0.0.2", "fd00::1", "127.0.0.1"}, "", "127.0.0.1"},
		{"no such name", "http://x.example:" + port + "/", nil, event.CodeDNS, ""},
		{"an IPv4-mapped address, as IPv4", "http://[::ffff:127.0.0.1]:" + port + "/", nil, "", "127.0.0.1"},
	}
	for _, tt := range tests {
		p.mu.Lock()
		p.asked = nil
		p.mu.Unlock()
		s := through(t, p.addr, tt.answer...)
		o := s.Send(t.Context(), subscription(tt.target), event.Claimed{Event: someEvent()})
		want := ""
		if tt.asked != "" {
			want = tt.asked + ":" + port
		}
		if asked := strings.Join(p.targets(), " "); o.Code != tt.code || asked != want {
			t.Errorf("%s: %s: %q; the proxy was asked for %q, want %q", tt.why, o.Code, o.Error, asked, want)
		}
	}
}

// The proxy gets an address, so it does not matter if the name then resolves to another one.
// The name is checked again for the next tunnel.
func TestRebindingBehindTheProxy(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	r := receive(t, answers(&n, okResponse))
	_, port, _ := net.SplitHostPort(r.addr)
	p := newConnectProxy(t, "127.0.0.1")
	s := through(t, p.addr)
	var lookups atomic.Int32
	s.lookups = nameServer(t, func(string) ([]netip.Addr, int) {
		if lookups.Add(1) <= 2 { // one for each family
			return addrs("127.0.0.1"), 0
		}
		return addrs("127.0.0.2"), 0
	})
	sub := subscription("http://x.example:" + port + "/")
	if o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()}); !o.Success() || n.Load() != 1 {
		t.Fatalf("%s: %q", o.Code, o.Error)
	}
	s.Close() // and with it the tunnel
	if o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()}); o.Code != event.CodeBlocked || len(p.targets()) != 1 {
		t.Errorf("%s: %q, the proxy was asked for %v", o.Code, o.Error, p.targets())
	}
}

func TestProxyTriesTheNextAddress(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	r := receive(t, answers(&n, okResponse))
	_, port, _ := net.SplitHostPort(r.addr)
	p := newConnectProxy(t, "127.0.0.1")
	s := through(t, p.addr, "127.0.0.3", "127.0.0.1")
	s.targets.guard = NewGuard(Rules{Allow: prefixes("127.0.0.0/24")})
	if o := s.Send(t.Context(), subscription("http://x.example:"+port+"/"), event.Claimed{Event: someEvent()}); !o.Success() || !slices.Equal(p.targets(), []string{"127.0.0.3:" + port, "127.0.0.1:" + port}) {
		t.Errorf("%s: %q, the proxy was asked for %v", o.Code, o.Error, p.targets())
	}
}

func TestProxyFailures(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	tests := []struct {
		name   string
		handle func(net.Conn) // nil: nothing listens
		code   event.Code
		words  string
	}{
		{"nothing listens", nil, event.CodeNetwork, "the proxy in HOOKFERRY_PROXY can't be reached; the log says why"},
		{"credentials", respond("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), event.CodeNetwork, "the proxy rejected the credentials in HOOKFERRY_PROXY: it responded with 407 Proxy Authentication Required"},
		{"forbidden", respond("HTTP/1.1 403 Forbidden\r\n\r\n"), event.CodeNetwork, "the proxy does not connect to 127.0.0.1:1: it responded with 403 Forbidden"},
		{"unreachable", respond("HTTP/1.1 502 Bad Gateway\r\n\r\n"), event.CodeUnreachable, "the proxy could not connect to 127.0.0.1:1: it responded with 502 Bad Gateway"},
		{"a redirect", respond("HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n"), event.CodeNetwork, "the proxy does not connect to 127.0.0.1:1: it responded with 302 Found"},
		{"another protocol", respond("SSH-2.0-OpenSSH_9.6\r\n"), event.CodeNetwork, "the proxy's response can't be read; the log says more"},
		{"an endless header", respondForever("HTTP/1.1 200 OK\r\n", "X-A: "+strings.Repeat("a", 1000)+"\r\n"), event.CodeNetwork, "the proxy's response can't be read; the log says more"},
		{"closes the connection", respondAndClose(""), event.CodeNetwork, "the proxy's response can't be read; the log says more"},
		{"reset", respondAndReset(""), event.CodeNetwork, "the proxy's response can't be read; the log says more"},
		{"silence", respond(""), event.CodeTimeout, "could not connect to 127.0.0.1:1 through the proxy within 500ms"},
		{"half a response", respond("HTTP/1.1 200 OK\r\n"), event.CodeTimeout, "could not connect to 127.0.0.1:1 through the proxy within 500ms"},
		{"data after the response", respond("HTTP/1.1 200 OK\r\n\r\n" + okResponse), event.CodeBadResponse, "data came through the proxy before anything was sent"},
		{"reset in the tunnel", func(c net.Conn) {
			request(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			request(c)
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}, event.CodeConnectionReset, "127.0.0.1:1 reset the connection before it responded"},
		{"silence in the tunnel", respond("HTTP/1.1 200 OK\r\n\r\n"), event.CodeTimeout, "no response within 500ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			proxy := l.Addr().String()
			if tt.handle != nil {
				proxy = receiveAt(t, "127.0.0.5", tt.handle).addr
			}
			s := through(t, proxy)
			sub := subscription("http://127.0.0.1:1/")
			sub.Timeout = short
			o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()})
			if o.Code != tt.code || !strings.HasPrefix(o.Error, tt.words) {
				t.Errorf("got %s: %q\nwant %s: %q", o.Code, o.Error, tt.code, tt.words)
			}
			if told := o.Error + o.Peer; strings.Contains(told, proxy) || strings.Contains(told+o.Detail, "t0p") || strings.Contains(told+o.Detail, "ZmVycnk") {
				t.Errorf("the message is %q, and in the log %q", told, o.Detail)
			}
		})
	}
}

// Proxy settings in the environment are ignored.
func TestTheEnvironmentsProxyIsNotUsed(t *testing.T) {
	p := newConnectProxy(t, "127.0.0.1")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://"+p.addr)
	}
	var n atomic.Int32
	r := receive(t, answers(&n, okResponse))
	_, port, _ := net.SplitHostPort(r.addr)
	s := New(Options{Guard: only127()})
	defer s.Close()
	s.lookups = nameServer(t, func(string) ([]netip.Addr, int) { return addrs("127.0.0.1"), 0 })
	for _, scheme := range []string{"http", "https"} { // net/http never uses a proxy for localhost, but would for this name
		s.Send(t.Context(), subscription(scheme+"://x.example:"+port+"/"), event.Claimed{Event: someEvent()})
	}
	if n.Load() != 1 || p.connections() != 0 {
		t.Errorf("%d requests arrived, and the proxy got %d connections", n.Load(), p.connections())
	}
}
