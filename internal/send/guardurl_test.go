package send

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestGuardURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ host, words, why string }{
		{"example.com", "", "a name: the dial decides"},
		{"internal", "", "a name: the dial decides"},
		{"localhost.example.com", "", "localhost is only the last label"},
		{"8.8.8.8", "", "public"},
		{"[2606:4700::1111]", "", "public"},
		{"134744072", "", "another spelling of 8.8.8.8"},
		{"10.1.2.3", "10.1.2.3 is a private address", "private"},
		{"10.1.2.3.", "10.1.2.3 is a private address", "the dot of the root"},
		{"[::1]", "::1 is a loopback address", "IPv6"},
		{"[::ffff:127.0.0.1]", "127.0.0.1 is a loopback address", "IPv4-mapped"},
		{"[fe80::1%25eth0]", "fe80::1 is a link-local address", "a zone"},
		{"localhost", "localhost is this machine: 127.0.0.1 is a loopback address", "RFC 6761"},
		{"LocalHost.", "localhost is this machine", "any case, rooted"},
		{"db.localhost", "db.localhost is this machine", "RFC 6761, section 6.3"},
		{"2130706433", "2130706433 is another spelling of 127.0.0.1: 127.0.0.1 is a loopback address", "one decimal number"},
		{"0x7f000001", "another spelling of 127.0.0.1", "one hexadecimal number"},
		{"0X7F.0.0.1", "another spelling of 127.0.0.1", "upper case"},
		{"017700000001", "another spelling of 127.0.0.1", "one octal number"},
		{"0177.0.0.1", "another spelling of 127.0.0.1", "octal"},
		{"0251.0376.0251.0376", "another spelling of 169.254.169.254", "octal"},
		{"127.1", "another spelling of 127.0.0.1", "short: the last number fills three bytes"},
		{"127.0.1", "another spelling of 127.0.0.1", "short: the last number fills two bytes"},
		{"10.66051", "another spelling of 10.1.2.3", "short, its last number large"},
		{"0", "another spelling of 0.0.0.0", "zero is this machine"},
		{"0x", "another spelling of 0.0.0.0", "a bare 0x is zero to browsers"},
		{"127.0.0.1.1", "", "five numbers are no address"},
		{"127.0.0.256", "", "too large for its byte"},
		{"127.16777216", "", "too large for three bytes"},
		{"4294967296", "", "too large for four bytes"},
		{"08.0.0.1", "", "8 is no octal digit"},
		{"127.0.0.1_", "", "not a number"},
		{"127..1", "", "an empty part"},
	}
	g := NewGuard(Rules{})
	for _, tt := range tests {
		err := g.CheckURL("http://" + tt.host + ":8080/webhook")
		switch {
		case tt.words == "" && err != nil:
			t.Errorf("%s: %s: refused: %v", tt.host, tt.why, err)
		case tt.words != "" && (err == nil || !strings.Contains(err.Error(), tt.words)):
			t.Errorf("%s: %s: got %v, want %s", tt.host, tt.why, err, tt.words)
		}
	}
	if err := g.CheckURL("http://[::1"); err == nil {
		t.Error("what is no URL was let through")
	}
}

func TestGuardURLWhereLoopbackIsAllowed(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"127.0.0.0/8", "::1/128"} {
		g := NewGuard(Rules{Allow: []netip.Prefix{netip.MustParsePrefix(p)}})
		if err := g.CheckURL("http://localhost:9000/webhook"); err != nil {
			t.Errorf("with %s allowed: %v", p, err)
		}
	}
}

func FuzzGuardURL(f *testing.F) {
	for _, seed := range []string{"http://127.0.0.1/", "http://0x7f.1/", "http://[::ffff:1.2.3.4%25lo]:1/", "https://a.localhost./x", "http://1.2.3.4.5"} {
		f.Add(seed)
	}
	g := NewGuard(Rules{})
	f.Fuzz(func(t *testing.T, raw string) {
		if g.CheckURL(raw) != nil {
			return
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("%q is no URL and was let through", raw)
		}
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil && g.Check(addr) != nil {
			t.Fatalf("%q was let through, and %v is refused", raw, addr)
		}
	})
}
