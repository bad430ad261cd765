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

// CheckURL returns an error if the text of a target URL shows that it may not be called. It is
// called when a subscription is created, to refuse it early, and before each attempt. It makes
// no lookup: a name that needs DNS passes, and CheckDial decides. event.CheckTarget checks the
// form of the URL.
func (g *Guard) CheckURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("the guard can't check it, because it is not a URL")
	}
	if g.rules.RequireHTTPS && u.Scheme != "https" {
		return fmt.Errorf("%s:// is blocked, because HOOKFERRY_REQUIRE_HTTPS is set; use https://", u.Scheme)
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

// asciiHost converts a host name to ASCII as a resolver does (UTS 46). For example, full-width
// digits become ASCII digits. The API has already converted the host, but a host that came
// another way must be checked too.
func asciiHost(host string) (string, error) {
	if strings.IndexFunc(host, func(c rune) bool { return c > 0x7e }) < 0 {
		return host, nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return "", fmt.Errorf("the guard can't check the host name %s, so it is blocked", quote(host))
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
		return fmt.Errorf("the guard can't check the port %q, so it is blocked", text)
	}
	if len(g.rules.Ports) == 0 || slices.ContainsFunc(g.rules.Ports, func(r event.PortRange) bool { return r.Contains(uint16(port)) }) {
		return nil
	}
	var allowed []string
	for _, r := range g.rules.Ports {
		allowed = append(allowed, r.String())
	}
	return fmt.Errorf("port %d is blocked; HOOKFERRY_TARGET_PORTS allows %s", port, strings.Join(allowed, ", "))
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
		return fmt.Errorf("%s is another spelling of %v that not every resolver understands; write %v", host, addr, addr)
	}
	return nil
}

// checkLocalhost accepts the name if any of its addresses is allowed.
func (g *Guard) checkLocalhost(host string) error {
	err := g.Check(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if err == nil || g.Check(netip.IPv6Loopback()) == nil {
		return nil
	}
	return fmt.Errorf("%s is this machine: %w", host, err)
}

// looseIPv4 parses the spellings of IPv4 addresses that inet_aton and some resolvers
// accept: one to four numbers, each decimal, octal (0177) or hexadecimal (0x7f). The last
// number fills all remaining bytes.
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
		return strconv.ParseUint("0"+digits, 16, bits) // browsers read a bare 0x as 0
	}
	if len(s) > 1 && s[0] == '0' {
		return strconv.ParseUint(s, 8, bits)
	}
	return strconv.ParseUint(s, 10, bits)
}
