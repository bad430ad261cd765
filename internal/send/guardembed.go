package send

import "net/netip"

// The prefixes of IPv6 addresses that embed an IPv4 address.
var (
	compatible = netip.MustParsePrefix("::/96")           // RFC 4291, section 2.5.5.1
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765, section 2.1
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052, section 2.1
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215
	teredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380, section 4
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056, section 2
)

// maxEmbedded is how many IPv4 addresses one IPv6 address may embed.
const maxEmbedded = 5

// embedded appends to list the IPv4 addresses that an IPv6 address may embed. A translator or a
// tunnel could forward a connection to each of them. known is the prefix length of the allowed
// network that contains the address: for a local NAT64 prefix only this length says where in
// the address the IPv4 address is.
func embedded(list []netip.Addr, addr netip.Addr, known int) []netip.Addr {
	if !addr.Is6() {
		return list
	}
	b := addr.As16()
	switch {
	case b[0] != 0 && b[0] != 0x20: // none of the prefixes, as for most addresses
	case addr.IsUnspecified(), addr.IsLoopback(): // these look like IPv4-compatible addresses
	case compatible.Contains(addr), translated.Contains(addr), nat64.Contains(addr):
		list = append(list, ipv4At(b, 12, 13, 14, 15))
	case nat64Local.Contains(addr):
		list = append(list, ipv4At(b, 12, 13, 14, 15)) // after a prefix of 96 bits
		if known < 96 {                                // of 64, 56 or 48 bits, skipping byte 8 (RFC 6052, section 2.2)
			list = append(list, ipv4At(b, 9, 10, 11, 12), ipv4At(b, 7, 9, 10, 11), ipv4At(b, 6, 7, 9, 10))
		}
	case teredo.Contains(addr): // the server, and the client with its bits inverted
		list = append(list, ipv4At(b, 4, 5, 6, 7), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	case sixToFour.Contains(addr):
		list = append(list, ipv4At(b, 2, 3, 4, 5))
	}
	// ISATAP (RFC 5214, section 6.1) is recognized by its interface identifier, after any prefix.
	if b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		list = append(list, ipv4At(b, 12, 13, 14, 15))
	}
	return list
}

// ipv4At returns the IPv4 address made of four bytes of an IPv6 address.
func ipv4At(b [16]byte, i, j, k, l int) netip.Addr {
	return netip.AddrFrom4([4]byte{b[i], b[j], b[k], b[l]})
}
