package send

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

func TestGuardURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ host, words, why string }{
		{"example.com", "", "a name: the dial decides"},
		{"internal", "", "a name: the dial decides"},
		{"localhost.example.com", "", "localhost is only the last label"},
		{"8.8.8.8", "", "public"},
		{"[2606:4700::1111]", "", "public"},
		{"134744072", "134744072 is another spelling of 8.8.8.8 that not every resolver understands; write 8.8.8.8", "public, but some resolvers do not know this spelling"},
		{"8.8.8.8.", "8.8.8.8. is another spelling of 8.8.8.8", "public, with the dot of the root"},
		{"010.8.8.8", "010.8.8.8 is another spelling of 8.8.8.8", "octal, where others read 10.8.8.8"},
		{"[::ffff:8.8.8.8]", "", "public, as IPv4-mapped"},
		{"10.1.2.3", "10.1.2.3 is blocked: it is a private address", "private"},
		{"10.1.2.3.", "10.1.2.3 is blocked: it is a private address", "the dot of the root"},
		{"127.0.0.1.", "another spelling of 127.0.0.1", "the dot of the root"},
		{"127.1.", "another spelling of 127.0.0.1", "short, with the dot of the root"},
		{"[::1]", "::1 is blocked: it is a loopback address", "IPv6"},
		{"[::ffff:127.0.0.1]", "127.0.0.1 is blocked: it is a loopback address", "IPv4-mapped"},
		{"[::127.0.0.1]", "::7f00:1 is blocked: it is an IPv4-compatible address", "IPv4-compatible"},
		{"[::ffff:0:127.0.0.1]", "an IPv4-translated address", "IPv4-translated"},
		{"[64:ff9b::127.0.0.1]", "a NAT64 address (RFC 6052)", "NAT64"},
		{"[64:ff9b:1::127.0.0.1]", "a NAT64 address (RFC 8215)", "a network's own NAT64"},
		{"[2002:7f00:1::]", "a 6to4 address", "6to4"},
		{"[2001:0:7f00:1::]", "a Teredo address", "Teredo"},
		{"[2a00::5efe:127.0.0.1]", "2a00::5efe:7f00:1 embeds 127.0.0.1: 127.0.0.1 is blocked: it is a loopback address", "ISATAP"},
		{"[0:0:0:0:0:0:0:1]", "::1 is blocked: it is a loopback address", "written out"},
		{"[0000::0001]", "::1 is blocked: it is a loopback address", "zeros"},
		{"[::]", "the unspecified address", "this machine, too"},
		{"0.0.0.0", "0.0.0.0 is blocked: it is an address of this machine", "this machine, too"},
		{"[fe80::1%25eth0]", "fe80::1 is blocked: it is a link-local address", "a zone"},
		{"localhost", "localhost is this machine: 127.0.0.1 is blocked: it is a loopback address", "RFC 6761"},
		{"LocalHost.", "localhost is this machine", "any case, rooted"},
		{"db.localhost", "db.localhost is this machine", "RFC 6761, section 6.3"},
		{"2130706433", "2130706433 is another spelling of 127.0.0.1: 127.0.0.1 is blocked: it is a loopback address", "one decimal number"},
		{"0x7f000001", "another spelling of 127.0.0.1", "one hexadecimal number"},
		{"0X7F.0.0.1", "another spelling of 127.0.0.1", "upper case"},
		{"017700000001", "another spelling of 127.0.0.1", "one octal number"},
		{"0177.0.0.1", "another spelling of 127.0.0.1", "octal"},
		{"0251.0376.0251.0376", "another spelling of 169.254.169.254", "octal"},
		{"127.1", "another spelling of 127.0.0.1", "short: the last number fills three bytes"},
		{"127.0.1", "another spelling of 127.0.0.1", "short: the last number fills two bytes"},
		{"10.66051", "another spelling of 10.1.2.3", "short, with a large last number"},
		{"0", "another spelling of 0.0.0.0", "zero is this machine"},
		{"0x", "another spelling of 0.0.0.0", "browsers read a bare 0x as zero"},
		{"127.0.0.1.1", "", "five numbers are no address"},
		{"127.0.0.256", "", "too large for its byte"},
		{"127.16777216", "", "too large for three bytes"},
		{"4294967295", "another spelling of 255.255.255.255", "the largest number"},
		{"4294967296", "", "too large for four bytes"},
		{"00000000000000000000177.1", "another spelling of 127.0.0.1", "zeros before an octal number"},
		{"0x000000000000000007f.1", "another spelling of 127.0.0.1", "zeros before a hexadecimal number"},
		{"0x7f.0300.1", "another spelling of 127.192.0.1", "octal, hexadecimal and decimal in one"},
		{"-1", "", "a number has no minus sign"},
		{"08.0.0.1", "", "8 is no octal digit"},
		{"127.0.0.1_", "", "not a number"},
		{"127..1", "", "an empty part"},
		{"bücher.example", "", "an international name: the dial decides"},
		{"xn--bcher-kva.example", "", "its ASCII form"},
		{"１２７.0.0.1", "127.0.0.1 is blocked: it is a loopback address", "full-width digits"},
		{"１２７．０．０．１", "127.0.0.1 is blocked: it is a loopback address", "full-width digits and full stops"},
		{"127。0。0。1", "127.0.0.1 is blocked: it is a loopback address", "ideographic full stops"},
		{"127｡0｡0｡1", "127.0.0.1 is blocked: it is a loopback address", "half-width ideographic full stops"},
		{"①②⑦.⓪.⓪.①", "127.0.0.1 is blocked: it is a loopback address", "digits in circles"},
		{"𝟏𝟐𝟕.𝟎.𝟎.𝟏", "127.0.0.1 is blocked: it is a loopback address", "mathematical digits"},
		{"¹²⁷.⁰.⁰.¹", "127.0.0.1 is blocked: it is a loopback address", "raised digits"},
		{"１６９.254.169.254", "169.254.169.254 is blocked: it is a link-local address", "where clouds keep their metadata"},
		{"１２７.1", "another spelling of 127.0.0.1", "short"},
		{"２１３０７０６４３３", "another spelling of 127.0.0.1", "one number"},
		{"０ｘ７ｆ.1", "another spelling of 127.0.0.1", "hexadecimal"},
		{"ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "localhost is this machine", "letters in circles"},
		{"ｌｏｃａｌｈｏｓｔ", "localhost is this machine", "full-width letters"},
		{"LOCALHO\u017fT", "localhost is this machine", "a long s"},
		{"db．localhost", "db.localhost is this machine", "a full-width full stop"},
		{"local\u00adhost", "localhost is this machine", "a soft hyphen, which is dropped"},
		{"127.0.0.1\u200b", "127.0.0.1 is blocked: it is a loopback address", "a zero-width space, which is dropped"},
		{"127.0.0.1。", "another spelling of 127.0.0.1", "the root's dot"},
		{"%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1", "127.0.0.1 is blocked: it is a loopback address", "full-width digits, percent-encoded"},
		{"a≠b.example", "the guard can't check the host name", "an invalid international name"},
		{"a／b.example", "the guard can't check the host name", "a full-width slash"},
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
		t.Error("text that is not a URL was not refused")
	}
}

func TestGuardURLSchemesAndPorts(t *testing.T) {
	t.Parallel()
	some := Rules{Ports: []event.PortRange{{First: 80, Last: 80}, {First: 443, Last: 443}, {First: 1024, Last: 65535}}}
	const notCalled = " is blocked; HOOKFERRY_TARGET_PORTS allows 80, 443, 1024-65535"
	tests := []struct {
		rules      Rules
		url, words string
	}{
		{Rules{}, "http://example.com/", ""},
		{Rules{}, "https://example.com:25/", ""},
		{Rules{RequireHTTPS: true}, "https://example.com/", ""},
		{Rules{RequireHTTPS: true}, "HTTPS://example.com:8443/", ""},
		{Rules{RequireHTTPS: true}, "http://example.com/", "http:// is blocked, because HOOKFERRY_REQUIRE_HTTPS is set; use https://"},
		{Rules{RequireHTTPS: true}, "http://example.com:443/", "http:// is blocked, because HOOKFERRY_REQUIRE_HTTPS is set; use https://"},
		{some, "http://example.com/", ""},
		{some, "https://example.com/", ""},
		{some, "https://example.com:1024/", ""},
		{some, "https://example.com:65535/", ""},
		{some, "https://example.com:81/", "port 81" + notCalled},
		{some, "https://example.com:1023/", "port 1023" + notCalled},
		{some, "http://[2a00::1]:25/", "port 25" + notCalled},
		{some, "http://example.com:00025/", "port 25" + notCalled},
		{Rules{Ports: some.Ports[1:2]}, "http://example.com/", "port 80 is blocked; HOOKFERRY_TARGET_PORTS allows 443"},
		{Rules{}, "http://example.com:65536/", `the guard can't check the port "65536", so it is blocked`},
	}
	for _, tt := range tests {
		got := ""
		if err := NewGuard(tt.rules).CheckURL(tt.url); err != nil {
			got = err.Error()
		}
		if got != tt.words {
			t.Errorf("%s with %+v:\n got %q\nwant %q", tt.url, tt.rules, got, tt.words)
		}
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
			t.Fatalf("%q is not a URL, but was not refused", raw)
		}
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil && g.Check(addr) != nil {
			t.Fatalf("%q was not refused, but %v is", raw, addr)
		}
	})
}
