package send

import (
	"net/netip"
	"strings"
	"testing"
)

func TestGuardTable(t *testing.T) {
	t.Parallel()
	const public = ""
	tests := []struct {
		addrs string // separated by blanks
		rule  string // what the refusal must say; public if there is none
	}{
		// Both ends of each range, and then the neighbours on both sides.
		{"0.0.0.0", "0.0.0.0 is blocked: it is an address of this machine (RFC 1122)"},
		{"0.0.0.1 0.255.255.255", "this network (RFC 791)"},
		{"1.0.0.0", public},
		{"10.0.0.0 10.1.2.3 10.255.255.255", "a private address (RFC 1918)"},
		{"9.255.255.255 11.0.0.0", public},
		{"100.64.0.0 100.127.255.255", "carrier-grade NAT (RFC 6598)"},
		{"100.63.255.255 100.128.0.0", public},
		{"127.0.0.0 127.0.0.1 127.255.255.255", "a loopback address (RFC 1122)"},
		{"126.255.255.255 128.0.0.0", public},
		{"168.63.129.16", "Azure WireServer"},
		{"168.63.129.15 168.63.129.17", public},
		{"169.254.0.0 169.254.169.254 169.254.255.255", "a link-local address, which clouds use for metadata (RFC 3927)"},
		{"169.253.255.255 169.255.0.0", public},
		{"172.16.0.0 172.31.255.255", "a private address (RFC 1918)"},
		{"172.15.255.255 172.32.0.0", public},
		{"192.0.0.0 192.0.0.7", "translators (RFC 7335)"},
		{"192.0.0.8", "dummy address (RFC 7600)"},
		{"192.0.0.9", "port control (RFC 7723)"},
		{"192.0.0.10", "TURN relays (RFC 8155)"},
		{"192.0.0.170 192.0.0.171", "an address for NAT64 discovery (RFC 7050)"},
		{"192.0.0.11 192.0.0.169 192.0.0.172 192.0.0.192 192.0.0.255", "IETF protocols (RFC 6890)"},
		{"191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0", public},
		{"192.0.2.0 192.0.2.255", "documentation (RFC 5737)"},
		{"192.31.196.0 192.31.196.255", "AS112 address (RFC 7535)"},
		{"192.31.195.255 192.31.197.0", public},
		{"192.52.193.0 192.52.193.255", "AMT relay"},
		{"192.52.192.255 192.52.194.0", public},
		{"192.88.99.2", "6a44 relays (RFC 6751)"},
		{"192.88.99.0 192.88.99.1 192.88.99.3 192.88.99.255", "6to4 relay address (RFC 7526)"},
		{"192.88.98.255 192.88.100.0", public},
		{"192.168.0.0 192.168.255.255", "a private address (RFC 1918)"},
		{"192.167.255.255 192.169.0.0", public},
		{"192.175.48.0 192.175.48.255", "AS112 address (RFC 7534)"},
		{"192.175.47.255 192.175.49.0", public},
		{"198.18.0.0 198.19.255.255", "benchmarks (RFC 2544)"},
		{"198.17.255.255 198.20.0.0", public},
		{"198.51.100.0 198.51.100.255", "documentation (RFC 5737)"},
		{"198.51.99.255 198.51.101.0", public},
		{"203.0.113.0 203.0.113.255", "documentation (RFC 5737)"},
		{"203.0.112.255 203.0.114.0", public},
		{"224.0.0.0 239.255.255.255", "multicast"},
		{"223.255.255.255", public},
		{"240.0.0.0 255.255.255.254", "a reserved address (RFC 1112)"},
		{"255.255.255.255", "broadcast address (RFC 919)"},

		{"::", "the unspecified address (RFC 4291)"},
		{"::1", "a loopback address (RFC 4291)"},
		{"::2 ::8.8.8.8 ::127.0.0.1 ::ffff:ffff", "IPv4-compatible"},
		{"::1:0:0 0:ffff::", "outside of the global unicast range"},
		{"::ffff:0:0.0.0.0 ::ffff:0:8.8.8.8 ::ffff:0:255.255.255.255", "IPv4-translated"},
		{"64:ff9b::0.0.0.0 64:ff9b::8.8.8.8 64:ff9b::255.255.255.255", "NAT64 address (RFC 6052)"},
		{"64:ff9b:1:: 64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "NAT64 address (RFC 8215)"},
		{"64:ff9b:0:0:0:1:: 64:ff9b:2::", "outside of the global unicast range"},
		{"100:: 100::ffff:ffff:ffff:ffff", "discard-only"},
		{"100:0:0:1:: 100:0:0:1:ffff:ffff:ffff:ffff", "dummy address (RFC 9780)"},
		{"100:0:0:2:: ff::", "outside of the global unicast range"},
		{"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 4000::", "outside of the global unicast range 2000::/3 (RFC 4291)"},
		{"2000:: 2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", public},
		{"2001:: 2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "Teredo"},
		{"2001:1::1", "port control (RFC 7723)"},
		{"2001:1::2", "TURN relays (RFC 8155)"},
		{"2001:1::3", "service registration (RFC 9665)"},
		{"2001:1:: 2001:1::4 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "IETF protocols (RFC 2928)"},
		{"2001:2:: 2001:2:0:ffff:ffff:ffff:ffff:ffff", "benchmarks (RFC 5180)"},
		{"2001:2:1:: 2001:4:111:: 2001:4:113:: 2001:40::", "IETF protocols (RFC 2928)"},
		{"2001:3:: 2001:3:ffff:ffff:ffff:ffff:ffff:ffff", "AMT relay"},
		{"2001:4:112:: 2001:4:112:ffff:ffff:ffff:ffff:ffff", "AS112 address (RFC 7535)"},
		{"2001:10:: 2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "ORCHID identifier"},
		{"2001:20:: 2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "ORCHIDv2"},
		{"2001:30:: 2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", "drone"},
		{"2001:200:: 2001:4860:4860::8888", public},
		{"2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation (RFC 3849)"},
		{"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 2001:db9::", public},
		{"2002:: 2002:7f00:1:: 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4 address"},
		{"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2003::", public},
		{"2620:4f:8000:: 2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "AS112 address (RFC 7534)"},
		{"2620:4f:7fff:ffff:ffff:ffff:ffff:ffff 2620:4f:8001::", public},
		{"3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation (RFC 9637)"},
		{"3ffe:: 3ffe:831f::1 3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6bone"},
		{"3ffd:ffff:ffff:ffff:ffff:ffff:ffff:ffff 3fff:1000:: 3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", public},
		{"5f00:: 5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "segment routing"},
		{"5eff:: 5f01::", "outside of the global unicast range"},
		{"fc00:: fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique local"},
		{"fbff:: fe00::", "outside of the global unicast range"},
		{"fe80:: febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"},
		{"fec0:: feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local"},
		{"ff00:: ff02::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"},

		// An ISATAP address may have any prefix.
		{"2a00::5efe:10.1.2.3 2a00::200:5efe:10.1.2.3", "embeds 10.1.2.3: 10.1.2.3 is blocked: it is a private address (RFC 1918)"},
		{"2a00::5efe:8.8.8.8 2a00::200:5efe:8.8.8.8 2a00::400:5efe:10.1.2.3 2a00::5eff:10.1.2.3 2a00::1:5efe:10.1.2.3", public},

		// Other spellings of the same address.
		{"::ffff:10.1.2.3 ::ffff:192.168.0.1", "a private address (RFC 1918)"},
		{"::ffff:127.0.0.1 ::ffff:127.0.0.1%lo", "127.0.0.1 is blocked: it is a loopback address"},
		{"::ffff:8.8.8.8", public},
		{"::1%lo", "a loopback address"},
		{"fe80::1%eth0", "link-local"},
		{"2606:4700::1111%eth0", public},
	}
	g := NewGuard(Rules{})
	for _, tt := range tests {
		for addr := range strings.FieldsSeq(tt.addrs) {
			err := g.Check(netip.MustParseAddr(addr))
			switch {
			case tt.rule == public && err != nil:
				t.Errorf("%s is public, but was refused: %v", addr, err)
			case tt.rule != public && (err == nil || !strings.Contains(err.Error(), tt.rule)):
				t.Errorf("%s: got %v, want a refusal that says %q", addr, err, tt.rule)
			}
		}
	}
}

// The rows of IANA's two registries of special-purpose addresses, as of October 2025, copied
// independently of the guard's table.
func TestEveryRowOfTheRegistriesIsRefused(t *testing.T) {
	t.Parallel()
	registries := `
		0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
		192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24
		192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24
		198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 255.255.255.255/32
		::1/128 ::/128 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32
		2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28
		2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10`
	g := NewGuard(Rules{})
	for row := range strings.FieldsSeq(registries) {
		p := netip.MustParsePrefix(row)
		for _, addr := range []netip.Addr{p.Addr(), lastOf(p)} {
			if g.Check(addr) == nil {
				t.Errorf("%v of %v was not refused", addr, p)
			}
		}
		if rule := classify(p.Addr()); rule.prefix.Bits() < p.Bits() {
			t.Errorf("the rule of %v is that of %v", p, rule.prefix)
		}
	}
}

// Every row of the table must be able to match. A narrow range after the wide one that contains it
// would never be named.
func TestGuardTableHasNoDeadRows(t *testing.T) {
	t.Parallel()
	for _, table := range [][]special{specialIPv4, specialIPv6} {
		for _, s := range table {
			first, last := classify(s.prefix.Addr()), classify(lastOf(s.prefix))
			if *first != s && *last != s {
				t.Errorf("%v is hidden behind %v and %v", s.prefix, first.prefix, last.prefix)
			}
			if s.prefix != s.prefix.Masked() {
				t.Errorf("%v has bits beyond its length", s.prefix)
			}
			if s.prefix.Addr().Is4() != table[0].prefix.Addr().Is4() {
				t.Errorf("%v is in the table of the other family", s.prefix)
			}
		}
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr
}

func TestGuardWords(t *testing.T) {
	t.Parallel()
	tests := []struct{ addr, words string }{
		{"10.1.2.3", "10.1.2.3 is blocked: it is a private address (RFC 1918); the operator can allow it with HOOKFERRY_ALLOW_TARGETS=10.1.2.3/32"},
		{"fd00::1", "fd00::1 is blocked: it is a private (unique local) address (RFC 4193); the operator can allow it with HOOKFERRY_ALLOW_TARGETS=fd00::1/128"},
	}
	for _, tt := range tests {
		if err := NewGuard(Rules{}).Check(netip.MustParseAddr(tt.addr)); err == nil || err.Error() != tt.words {
			t.Errorf("got %v, want %s", err, tt.words)
		}
	}
	if err := NewGuard(Rules{}).Check(netip.Addr{}); err == nil {
		t.Error("the zero address was not refused")
	}
}

func TestGuardAllows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		allow, addr string
		ok          bool
		why         string
	}{
		{"10.0.0.0/8", "10.1.2.3", true, "inside"},
		{"10.1.2.3/8", "10.200.0.0", true, "a prefix with host bits means its network"},
		{"10.0.0.0/8", "11.0.0.1", true, "a public address is always allowed"},
		{"10.0.0.0/8", "172.16.0.1", false, "another private network"},
		{"10.1.2.3/32", "10.1.2.4", false, "a single address"},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true, "the same address as IPv4-mapped"},
		{"::ffff:10.0.0.0/104", "10.1.2.3", true, "the same network as IPv4-mapped"},
		{"::1/128", "::1%lo", true, "a zone makes no difference"},
		{"::/0", "127.0.0.1", false, "all of IPv6 includes no IPv4 address"},
		{"0.0.0.0/0", "127.0.0.1", true, "all of IPv4"},
		{"0.0.0.0/0", "::1", false, "all of IPv4 includes no IPv6 address"},
		{"10.0.0.0/8", "::10.1.2.3", false, "an IPv4-compatible address is refused"},
		{"10.0.0.0/8", "64:ff9b::10.1.2.3", false, "the translator is not allowed"},
		{"64:ff9b::/96", "64:ff9b::8.8.8.8", true, "the translator is allowed, and the address behind it is public"},
		{"64:ff9b::/96", "64:ff9b::10.1.2.3", false, "the address behind the translator is checked too"},
		{"64:ff9b:1:ffff::/96", "64:ff9b:1:ffff::169.254.169.254", false, "the same for the local prefix"},
		{"64:ff9b::/96 10.0.0.0/8", "64:ff9b::10.1.2.3", true, "both are allowed"},
		{"64:ff9b:1:ffff::/96", "64:ff9b:1:ffff::8.8.8.8", true, "a prefix of 96 bits says where the IPv4 address is"},
		{"64:ff9b:1::/48", "64:ff9b:1:808:8:800::", false, "a shorter prefix does not: every possible address is checked, and one is 0.0.0.0"},
		{"64:ff9b:1::/48 0.0.0.0/8 8.0.0.0/8", "64:ff9b:1:a01:2:300::", false, "10.1.2.3 behind a prefix of 48 bits"},
		{"64:ff9b:1::/48 0.0.0.0/8", "64:ff9b:1:a:1:203::", false, "10.1.2.3 behind a prefix of 56 bits"},
		{"64:ff9b:1::/48 0.0.0.0/8", "64:ff9b:1:0:a:102:300:0", false, "10.1.2.3 behind a prefix of 64 bits"},
		{"::1/128", "::1", true, "it looks like an IPv4-compatible address, but is not"},
		{"::/96", "::8.8.8.8", true, "a public address in an allowed IPv4-compatible one"},
		{"::/96", "::127.0.0.1", false, "loopback in an IPv4-compatible address"},
		{"::ffff:0:0:0/96", "::ffff:0:10.1.2.3", false, "private in an IPv4-translated one"},
		{"2002::/16", "2002:808:808::1", true, "a public address in an allowed 6to4 one"},
		{"2002::/16", "2002:a01:203::1", false, "private in a 6to4 address"},
		{"2001::/32", "2001:0:808:808:0:ffff:f7f7:f7f7", true, "Teredo, server and client public"},
		{"2001::/32", "2001:0:a01:203:0:ffff:f7f7:f7f7", false, "a private server in a Teredo address"},
		{"2001::/32", "2001:0:808:808:0:ffff:f5fe:fdfc", false, "a private client in a Teredo address"},
		{"fd00::/8", "fd00::5efe:10.1.2.3", false, "private in an ISATAP address"},
		{"fd00::/8 10.0.0.0/8", "fd00::200:5efe:10.1.2.3", true, "both are allowed"},
		{"fd00::/8", "fd00::5eff:10.1.2.3", true, "not quite ISATAP"},
		{"0.0.0.0/0 ::/0", "64:ff9b:1:a01:2:300::", true, "everything is allowed"},
	}
	for _, tt := range tests {
		if err := NewGuard(Rules{Allow: prefixes(tt.allow)}).Check(netip.MustParseAddr(tt.addr)); (err == nil) != tt.ok {
			t.Errorf("%s, %s allowed: %s: got %v", tt.addr, tt.allow, tt.why, err)
		}
	}
	err := NewGuard(Rules{Allow: []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96")}}).Check(netip.MustParseAddr("64:ff9b::10.1.2.3"))
	if want := "64:ff9b::a01:203 embeds 10.1.2.3: 10.1.2.3 is blocked: it is a private address"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

func TestGuardDenies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		allow, deny, addr string
		ok                bool
		why               string
	}{
		{"", "8.8.8.0/24", "8.8.8.8", false, "a public address"},
		{"", "8.8.8.0/24", "8.8.9.1", true, "its neighbour"},
		{"", "2a00::/16", "2a00::1", false, "a public address of IPv6"},
		{"", "8.8.8.0/24", "::ffff:8.8.8.8", false, "the same address as IPv4-mapped"},
		{"", "::ffff:8.8.8.0/120", "8.8.8.8", false, "the same network as IPv4-mapped"},
		{"", "8.8.8.8/24", "8.8.8.1", false, "a prefix with host bits means its network"},
		{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", false, "a part of an allowed network is denied"},
		{"10.0.0.0/8", "10.1.0.0/16", "10.2.0.1", true, "the rest of the allowed network"},
		{"10.1.2.3/32", "10.0.0.0/8", "10.1.2.3", false, "a denied network wins over a narrower allowed one"},
		{"0.0.0.0/0 ::/0", "169.254.0.0/16", "169.254.169.254", false, "everything is allowed, except this"},
		{"0.0.0.0/0 ::/0", "169.254.0.0/16", "10.1.2.3", true, "everything else"},
		{"0.0.0.0/0 ::/0", "10.0.0.0/8", "64:ff9b::10.1.2.3", false, "behind NAT64"},
		{"0.0.0.0/0 ::/0", "10.0.0.0/8", "64:ff9b:1:a01:2:300::", false, "behind NAT64 of any length"},
		{"0.0.0.0/0 ::/0", "10.0.0.0/8", "::10.1.2.3", false, "in an IPv4-compatible address"},
		{"0.0.0.0/0 ::/0", "10.0.0.0/8", "::ffff:0:10.1.2.3", false, "in an IPv4-translated one"},
		{"0.0.0.0/0 ::/0", "10.0.0.0/8", "2002:a01:203::1", false, "behind 6to4"},
		{"0.0.0.0/0 ::/0", "10.0.0.0/8", "2001:0:808:808:0:ffff:f5fe:fdfc", false, "behind Teredo"},
		{"0.0.0.0/0 ::/0", "10.0.0.0/8", "2a00::5efe:10.1.2.3", false, "behind ISATAP"},
		{"64:ff9b::/96", "8.8.8.0/24", "64:ff9b::8.8.8.8", false, "a public address behind an allowed translator"},
		{"", "::/0", "2a00::1", false, "all of IPv6"},
		{"", "::/0", "8.8.8.8", true, "all of IPv6 includes no IPv4 address"},
		{"", "::/0", "::ffff:8.8.8.8", true, "all of IPv6 includes no IPv4-mapped address, which is called over IPv4"},
	}
	for _, tt := range tests {
		g := NewGuard(Rules{Allow: prefixes(tt.allow), Deny: prefixes(tt.deny)})
		if err := g.Check(netip.MustParseAddr(tt.addr)); (err == nil) != tt.ok {
			t.Errorf("%s, %s allowed, %s denied: %s: got %v", tt.addr, tt.allow, tt.deny, tt.why, err)
		}
	}
	err := NewGuard(Rules{Deny: prefixes("8.8.8.0/24")}).Check(netip.MustParseAddr("8.8.8.8"))
	if want := "8.8.8.8 is blocked: it is listed in HOOKFERRY_DENY_TARGETS"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// prefixes parses networks that are separated by spaces.
func prefixes(text string) (list []netip.Prefix) {
	for p := range strings.FieldsSeq(text) {
		list = append(list, netip.MustParsePrefix(p))
	}
	return list
}

// FuzzGuard compares the guard with what can be said about addresses without its table.
func FuzzGuard(f *testing.F) {
	for _, seed := range []string{"8.8.8.8", "10.0.0.1", "2a00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:808:808::1", "2a00::5efe:7f00:1", "::1"} {
		f.Add(netip.MustParseAddr(seed).AsSlice())
	}
	g, all := NewGuard(Rules{}), NewGuard(Rules{Allow: prefixes("0.0.0.0/0 ::/0")})
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		passes := g.Check(addr) == nil
		if addr.Is4() && passes != (g.Check(netip.AddrFrom16(addr.As16())) == nil) {
			t.Fatalf("%v is judged differently as IPv4-mapped", addr)
		}
		if addr.Is6() && passes != (g.Check(addr.WithZone("eth0")) == nil) {
			t.Fatalf("%v is judged differently with a zone", addr)
		}
		if all.Check(addr) != nil {
			t.Fatalf("%v is refused although everything is allowed", addr)
		}
		if passes && !plainlyPublic(addr) {
			t.Fatalf("%v was not refused", addr)
		}
		if NewGuard(Rules{Allow: prefixes("0.0.0.0/0 ::/0"), Deny: []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}}).Check(addr) == nil {
			t.Fatalf("%v is denied, but was not refused", addr)
		}
	})
}

// plainlyPublic is a rough version of the rule, with the terms of the standard library and the
// widest ranges.
func plainlyPublic(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() {
		return false
	}
	for _, p := range prefixes("0.0.0.0/8 100.64.0.0/10 168.63.129.16/32 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3 2001::/23 2001:db8::/32 2002::/16 3ffe::/16 3fff::/20") {
		if p.Contains(addr) {
			return false
		}
	}
	return addr.Is4() || netip.MustParsePrefix("2000::/3").Contains(addr)
}

func TestGuardDial(t *testing.T) {
	t.Parallel()
	tests := []struct {
		network, address string
		ok               bool
	}{
		{"tcp4", "8.8.8.8:443", true},
		{"tcp6", "[2606:4700::1111]:443", true},
		{"tcp6", "[2606:4700::1111%eth0]:443", true},
		{"tcp4", "10.0.0.1:443", false},
		{"tcp6", "[::ffff:10.0.0.1]:443", false},
		{"tcp4", "10.0.0.1%lo:443", false}, // package net writes zones so
		{"udp4", "8.8.8.8:53", false},
		{"unix", "/run/docker.sock", false},
		{"tcp4", "example.com:443", false}, // it refuses what it can't check
		{"tcp4", "", false},
		{"tcp4", ":80", false}, // this machine
	}
	for _, tt := range tests {
		if err := NewGuard(Rules{}).CheckDial(tt.network, tt.address); (err == nil) != tt.ok {
			t.Errorf("%s %s: got %v", tt.network, tt.address, err)
		}
	}
}
