package send

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// CheckURL says whether a target URL names an address that may not be called, for
// a quick answer when a subscription is made. It looks nothing up: a name that
// needs DNS passes, and the dial decides. The form of the URL is for
// event.CheckTarget to judge.
func (g *Guard) CheckURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("it is not a URL, so its address can't be judged")
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761
		return g.checkLocalhost(host)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.Check(addr)
	}
	if addr, ok := looseIPv4(host); ok {
		if err := g.Check(addr); err != nil {
			return fmt.Errorf("%s is another spelling of %v: %w", host, addr, err)
		}
	}
	return nil
}

// checkLocalhost lets the name pass where any of its addresses is allowed.
func (g *Guard) checkLocalhost(host string) error {
	err := g.Check(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if err == nil || g.Check(netip.IPv6Loopback()) == nil {
		return nil
	}
	return fmt.Errorf("%s is this machine: %w", host, err)
}

// looseIPv4 reads the spellings that some resolvers take for an IPv4 address,
// as inet_aton does: one to four numbers, each decimal, octal (0177) or
// hexadecimal (0x7f), the last of which fills all bytes that are left.
func looseIPv4(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (4 - i)
		}
		n, err := looseNumber(part, bits)
		if err != nil {
			return netip.Addr{}, false
		}
		sum = sum<<bits | n
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}

func looseNumber(s string, bits int) (uint64, error) {
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		return strconv.ParseUint("0"+digits, 16, bits) // a bare 0x is 0 to browsers
	}
	if len(s) > 1 && s[0] == '0' {
		return strconv.ParseUint(s, 8, bits)
	}
	return strconv.ParseUint(s, 10, bits)
}
