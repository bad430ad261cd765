package send

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	c := a.sign(t, a.cert)
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.cert)
	return a
}

// sign makes a certificate with a new key. The first one signs itself.
func (a *authority) sign(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// leaf is the template of a certificate for 127.0.0.1 that is valid now.
func leaf() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "receiver"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
}

func tlsReceiver(t *testing.T, config *tls.Config) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	server.Config.ErrorLog = quiet
	server.TLS = config
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	server := tlsReceiver(t, &tls.Config{Certificates: []tls.Certificate{a.sign(t, leaf())}})
	s := newSender(t)
	s.tls.RootCAs = a.pool

	first := s.Send(t.Context(), subscription(server.URL), event.Claimed{Event: someEvent()})
	if !first.Success() || string(first.Response) != "HTTP/1.1" {
		t.Fatalf("%s, over %s", first.Error, first.Response)
	}
	if p := first.Phases; p.DNS != 0 || p.Connect <= 0 || p.TLS <= 0 || p.FirstByte <= 0 || first.Duration < p.Connect+p.TLS {
		t.Errorf("the first attempt took %v: %+v", first.Duration, p)
	}
	second := s.Send(t.Context(), subscription(server.URL), event.Claimed{Event: someEvent()})
	if p := second.Phases; p.DNS != 0 || p.Connect != 0 || p.TLS != 0 || p.FirstByte <= 0 {
		t.Errorf("the second attempt, on the same connection: %+v", p)
	}
	if want := server.Listener.Addr().String(); first.Peer != want || second.Peer != want {
		t.Errorf("peers %q and %q, want %q", first.Peer, second.Peer, want)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	known, unknown := newAuthority(t), newAuthority(t)
	change := func(f func(*x509.Certificate)) *x509.Certificate {
		c := leaf()
		f(c)
		return c
	}
	expired := change(func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2020, 1, 2, 23, 59, 59, 0, time.UTC)
	})
	early := change(func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Date(2098, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	})
	named := func(names ...string) *x509.Certificate {
		return change(func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = names, nil })
	}
	tests := []struct {
		name  string
		cert  tls.Certificate
		code  event.Code
		words string
	}{
		{"expired", known.sign(t, expired), event.CodeTLSExpired, "the certificate expired on 2020-01-02"},
		{"not valid yet", known.sign(t, early), event.CodeTLSExpired, "the certificate is not valid before 2098-01-02"},
		{"wrong host", known.sign(t, named("a.example")), event.CodeTLSWrongHost, "the certificate is for a.example, not for 127.0.0.1"},
		{"many hosts", known.sign(t, named("a.example", "b.example", "c.example", "d.example", "e.example")), event.CodeTLSWrongHost, "the certificate is for a.example, b.example, c.example and 2 more, not for 127.0.0.1"},
		{"no host", known.sign(t, named()), event.CodeTLSWrongHost, "the certificate is for no host at all, not for 127.0.0.1"},
		{"unknown authority", unknown.sign(t, change(func(c *x509.Certificate) { c.DNSNames = nil })), event.CodeTLSUntrusted, "the certificate is not trusted: it is signed by an unknown authority, CN=Test Authority; if that is your own, add it to HOOKFERRY_TARGET_CA; otherwise the endpoint may not send its intermediate certificates"},
		{"self-signed", (&authority{cert: leaf()}).sign(t, leaf()), event.CodeTLSUntrusted, "the certificate is not trusted: it is self-signed; if that is your own, add it to HOOKFERRY_TARGET_CA"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := tlsReceiver(t, &tls.Config{Certificates: []tls.Certificate{tt.cert}})
			s := newSender(t)
			s.tls.RootCAs = known.pool
			o := s.Send(t.Context(), subscription(server.URL), event.Claimed{Event: someEvent()})
			if o.Code != tt.code || o.Error != tt.words {
				t.Errorf("got %s: %q\nwant %s: %q", o.Code, o.Error, tt.code, tt.words)
			}
			if o.Peer != server.Listener.Addr().String() {
				t.Errorf("peer %q", o.Peer)
			}
		})
	}
}

func TestHandshakes(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	tests := []struct {
		name   string
		handle func(net.Conn)
		code   event.Code
		words  string
	}{
		{"HTTP", respondNow("HTTP/1.1 400 Bad Request\r\n\r\n"), event.CodeTLS, "responded with plain HTTP to an https request; should the target URL begin with http://?"},
		{"another protocol", respondNow("SSH-2.0-OpenSSH_9.6\r\n"), event.CodeTLS, "the response is not TLS"},
		{"silence", respondNow(""), event.CodeTimeout, "no TLS handshake with ADDR within 500ms; " + hintHello},
		{"old version", func(c net.Conn) {
			tls.Server(c, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, Certificates: []tls.Certificate{a.sign(t, leaf())}}).Handshake()
		}, event.CodeTLS, "ADDR ended TLS: protocol version not supported; the endpoint must support TLS 1.2 or later"},
		{"an old version that was not offered", respondNow("\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01" + strings.Repeat("r", 32) + "\x00\xc0\x13\x00"), event.CodeTLS, "the TLS handshake with ADDR failed: server selected unsupported protocol version 301; the endpoint must support TLS 1.2 or later"},
		{"only RSA key exchange", func(c net.Conn) {
			tls.Server(c, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, Certificates: []tls.Certificate{a.sign(t, leaf())}}).Handshake()
		}, event.CodeTLS, "ADDR ended TLS: handshake failure; if the endpoint supports only RSA key exchange, start the service with GODEBUG=tlsrsakex=1"},
		{"a middlebox that can't read a long ClientHello", respondNow("\x15\x03\x03\x00\x02\x02\x32"), event.CodeTLS, "ADDR ended TLS: error decoding message; " + hintHello},
		{"a fault in the endpoint", respondNow("\x15\x03\x03\x00\x02\x02\x50"), event.CodeTLS, "ADDR ended TLS: internal error"},
		{"bad record", respondNow("\x16\x03\x03\x00\x04\x02\x00\x00\x00"), event.CodeTLS, "ADDR ended TLS: "},
		{"closes the connection", func(c net.Conn) { c.Read(make([]byte, 16<<10)); c.Close() }, event.CodeConnectionClosed, "ADDR closed the connection during the TLS handshake"},
		{"reset", func(c net.Conn) { c.Read(make([]byte, 16<<10)); c.(*net.TCPConn).SetLinger(0); c.Close() }, event.CodeConnectionReset, "ADDR reset the connection during the TLS handshake"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := receive(t, tt.handle)
			sub := subscription("https://" + r.addr + "/")
			sub.Timeout = short
			o := newSender(t).Send(t.Context(), sub, event.Claimed{Event: someEvent()})
			if words := strings.ReplaceAll(tt.words, "ADDR", r.addr); o.Code != tt.code || !strings.HasPrefix(o.Error, words) {
				t.Errorf("got %s: %q\nwant %s: %q", o.Code, o.Error, tt.code, words)
			}
		})
	}
}

// respondNow reads the first bytes, which are not a request, and responds.
func respondNow(bytes string) func(net.Conn) {
	return func(c net.Conn) {
		c.Read(make([]byte, 16<<10))
		io.WriteString(c, bytes)
		io.Copy(io.Discard, c)
	}
}
