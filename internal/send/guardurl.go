package send

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/hookferry/hookferry/internal/event"
)

// CheckURL says why a target URL may not be called, as far as its text tells; nil
// if it may. It is asked when a subscription is made, for a quick answer, and
// before each delivery. It looks nothing up: a name that needs DNS passes, and the
// dial decides. The form of the URL is for event.CheckTarget to judge.
func (g *Guard) CheckURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("it is not a URL, so its address can't be judged")
	}
	if g.rules.RequireHTTPS && u.Scheme != "https" {
		return fmt.Errorf("%s:// is not called, only https:// is, because HOOKFERRY_REQUIRE_HTTPS is set", u.Scheme)
	}
	if err := g.checkPort(cmp.Or(u.Port(), defaultPort(u.Scheme))); err != nil {
		return err
	}
	host, err := asciiHost(u.Hostname())
	if err != nil {
		return err
	}
	return g.checkHost(strings.ToLower(host))
}

// asciiHost is what a resolver makes of a host name: full-width digits and letters in
// circles are those of ASCII to it (UTS 46). The API has converted a host before, so one
// that is not ASCII came by another way, and is judged all the same.
func asciiHost(host string) (string, error) {
	if strings.IndexFunc(host, func(c rune) bool { return c > 0x7e }) < 0 {
		return host, nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return "", fmt.Errorf("the guard can't judge the host name %s, so it is not called", quote(host))
	}
	return ascii, nil
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

func (g *Guard) checkPort(text string) error {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return fmt.Errorf("the guard can't judge the port %q, so it is not called", text)
	}
	if len(g.rules.Ports) == 0 || slices.ContainsFunc(g.rules.Ports, func(r event.PortRange) bool { return r.Contains(uint16(port)) }) {
		return nil
	}
	var called []string
	for _, r := range g.rules.Ports {
		called = append(called, r.String())
	}
	return fmt.Errorf("port %d is not called; those of HOOKFERRY_TARGET_PORTS are: %s", port, strings.Join(called, ", "))
}

func (g *Guard) checkHost(host string) error {
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.Check(addr)
	}
	name := strings.TrimSuffix(host, ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") { // RFC 6761
		return g.checkLocalhost(name)
	}
	if addr, ok := looseIPv4(name); ok {
		if err := g.Check(addr); err != nil {
			return fmt.Errorf("%s is another spelling of %v: %w", host, addr, err)
		}
		return fmt.Errorf("%s is another spelling of %v, which not every resolver takes for it: write %v", host, addr, addr)
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
