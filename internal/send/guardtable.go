package send

import "net/netip"

// special is a range of addresses that is blocked unless the operator allows it.
type special struct {
	prefix netip.Prefix
	what   string // completes "it is …"
	source string // the document that reserved the range
}

// specialIPv4 and specialIPv6 contain every row of RFC 6890 and of the registries that continue it
// (IANA's IPv4 and IPv6 Special-Purpose Address Space, as of October 2025). That includes the few
// rows that are globally reachable, because no endpoint has an AS112, AMT or protocol anycast
// address. They also contain multicast, the ranges that clouds and older standards reserve, and
// every IPv6 range that embeds IPv4 addresses, because a translator on the way may extract them.
// One row is missing: IPv4-mapped addresses (::ffff:0:0/96) are checked as IPv4 addresses.
//
// The first match names the rule, so a narrow range precedes the wide one that
// contains it.
var specialIPv4 = []special{
	rangeOf("0.0.0.0/32", "an address of this machine", "RFC 1122"),
	rangeOf("0.0.0.0/8", "an address of this network", "RFC 791"),
	rangeOf("10.0.0.0/8", "a private address", "RFC 1918"),
	rangeOf("100.64.0.0/10", "a shared address of carrier-grade NAT", "RFC 6598"),
	rangeOf("127.0.0.0/8", "a loopback address", "RFC 1122"),
	rangeOf("168.63.129.16/32", "the address of a cloud's own services", "Azure WireServer"),
	rangeOf("169.254.0.0/16", "a link-local address, which clouds use for metadata", "RFC 3927"),
	rangeOf("172.16.0.0/12", "a private address", "RFC 1918"),
	rangeOf("192.0.0.0/29", "an address between a network's own translators", "RFC 7335"),
	rangeOf("192.0.0.8/32", "the dummy address", "RFC 7600"),
	rangeOf("192.0.0.9/32", "the anycast address of port control", "RFC 7723"),
	rangeOf("192.0.0.10/32", "the anycast address of TURN relays", "RFC 8155"),
	rangeOf("192.0.0.170/32", "an address for NAT64 discovery", "RFC 7050"),
	rangeOf("192.0.0.171/32", "an address for NAT64 discovery", "RFC 7050"),
	rangeOf("192.0.0.0/24", "an address for IETF protocols", "RFC 6890"),
	rangeOf("192.0.2.0/24", "an address for documentation", "RFC 5737"),
	rangeOf("192.31.196.0/24", "an AS112 address", "RFC 7535"),
	rangeOf("192.52.193.0/24", "an AMT relay address", "RFC 7450"),
	rangeOf("192.88.99.2/32", "the anycast address of 6a44 relays", "RFC 6751"),
	rangeOf("192.88.99.0/24", "a 6to4 relay address", "RFC 7526"),
	rangeOf("192.168.0.0/16", "a private address", "RFC 1918"),
	rangeOf("192.175.48.0/24", "an AS112 address", "RFC 7534"),
	rangeOf("198.18.0.0/15", "an address for benchmarks", "RFC 2544"),
	rangeOf("198.51.100.0/24", "an address for documentation", "RFC 5737"),
	rangeOf("203.0.113.0/24", "an address for documentation", "RFC 5737"),
	rangeOf("224.0.0.0/4", "a multicast address", "RFC 5771"),
	rangeOf("255.255.255.255/32", "the broadcast address", "RFC 919"),
	rangeOf("240.0.0.0/4", "a reserved address", "RFC 1112"),
}

var specialIPv6 = []special{
	rangeOf("::/128", "the unspecified address", "RFC 4291"),
	rangeOf("::1/128", "a loopback address", "RFC 4291"),
	rangeOf("::/96", "an IPv4-compatible address", "RFC 4291"),
	rangeOf("::ffff:0:0:0/96", "an IPv4-translated address", "RFC 2765"),
	rangeOf("64:ff9b::/96", "a NAT64 address", "RFC 6052"),
	rangeOf("64:ff9b:1::/48", "a NAT64 address", "RFC 8215"),
	rangeOf("100::/64", "a discard-only address", "RFC 6666"),
	rangeOf("100:0:0:1::/64", "a dummy address", "RFC 9780"),
	rangeOf("2001::/32", "a Teredo address", "RFC 4380"),
	rangeOf("2001:1::1/128", "the anycast address of port control", "RFC 7723"),
	rangeOf("2001:1::2/128", "the anycast address of TURN relays", "RFC 8155"),
	rangeOf("2001:1::3/128", "the anycast address of service registration", "RFC 9665"),
	rangeOf("2001:2::/48", "an address for benchmarks", "RFC 5180"),
	rangeOf("2001:3::/32", "an AMT relay address", "RFC 7450"),
	rangeOf("2001:4:112::/48", "an AS112 address", "RFC 7535"),
	rangeOf("2001:10::/28", "an ORCHID identifier, not an address", "RFC 4843"),
	rangeOf("2001:20::/28", "an ORCHIDv2 identifier, not an address", "RFC 7343"),
	rangeOf("2001:30::/28", "a drone identifier, not an address", "RFC 9374"),
	rangeOf("2001::/23", "an address for IETF protocols", "RFC 2928"),
	rangeOf("2001:db8::/32", "an address for documentation", "RFC 3849"),
	rangeOf("2002::/16", "a 6to4 address", "RFC 3056"),
	rangeOf("2620:4f:8000::/48", "an AS112 address", "RFC 7534"),
	rangeOf("3ffe::/16", "an address of the 6bone, which no longer exists", "RFC 3701"),
	rangeOf("3fff::/20", "an address for documentation", "RFC 9637"),
	rangeOf("5f00::/16", "a segment routing identifier", "RFC 9602"),
	rangeOf("fc00::/7", "a private (unique local) address", "RFC 4193"),
	rangeOf("fe80::/10", "a link-local address", "RFC 4291"),
	rangeOf("fec0::/10", "a site-local address", "RFC 3879"),
	rangeOf("ff00::/8", "a multicast address", "RFC 4291"),
}

// globalUnicast is the part of IPv6 that is allocated for global unicast.
var globalUnicast = rangeOf("2000::/3", "an address outside of the global unicast range 2000::/3", "RFC 4291")

func rangeOf(prefix, what, source string) special {
	return special{netip.MustParsePrefix(prefix), what, source}
}

// classify returns why an address is blocked, or nil if it is a public unicast address. The
// address must have no zone and must not be IPv4-mapped.
func classify(addr netip.Addr) *special {
	table := specialIPv4
	if addr.Is6() {
		table = specialIPv6
	}
	for i := range table {
		if table[i].prefix.Contains(addr) {
			return &table[i]
		}
	}
	if addr.Is6() && !globalUnicast.prefix.Contains(addr) {
		return &globalUnicast
	}
	return nil
}
