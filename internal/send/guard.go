package send

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// Rules are the operator's settings for targets.
type Rules struct {
	Allow []netip.Prefix // networks that may be called although they are not public
	Deny  []netip.Prefix // networks that are never called, even if they are public or in Allow

	Ports        []event.PortRange // the ports that may be called; empty means every port
	RequireHTTPS bool
}

// Guard decides which targets may be called: public unicast addresses and the networks that the
// operator allows, except for those that the operator denies. It is safe for concurrent use.
type Guard struct{ rules Rules }

// NewGuard returns a guard that applies the rules.
func NewGuard(r Rules) *Guard {
	r.Allow, r.Deny = networks(r.Allow), networks(r.Deny)
	return &Guard{rules: r}
}

// networks normalizes prefixes so that they can be compared with addresses.
func networks(all []netip.Prefix) []netip.Prefix {
	list := make([]netip.Prefix, 0, len(all))
	for _, p := range all {
		// 10.0.0.0/8 may have been written as ::ffff:10.0.0.0/104.
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.IsValid() {
			list = append(list, p.Masked())
		}
	}
	return list
}

// Check returns an error if an address may not be called. It also checks each IPv4 address that
// an IPv6 address embeds, because allowing a translator does not allow every address behind it.
func (g *Guard) Check(addr netip.Addr) error {
	// No prefix contains an address with a zone or an IPv4-mapped address, so remove both.
	addr = addr.WithZone("").Unmap()
	if !addr.IsValid() {
		return errors.New("the guard got no address to check")
	}
	blocked, known := g.judge(addr)
	if blocked != nil {
		return blocked
	}
	var buf [maxEmbedded]netip.Addr
	for _, inner := range embedded(buf[:0], addr, known) {
		if blocked, _ := g.judge(inner); blocked != nil {
			blocked.via = addr
			return blocked
		}
	}
	return nil
}

// judge checks this one address. blocked is nil if it may be called. known is the prefix length
// of the allowed network that contains it, or -1.
func (g *Guard) judge(addr netip.Addr) (blocked *blockedError, known int) {
	if longest(g.rules.Deny, addr) >= 0 {
		return &blockedError{addr: addr}, -1
	}
	if known = longest(g.rules.Allow, addr); known >= 0 {
		return nil, known
	}
	if rule := classify(addr); rule != nil {
		return &blockedError{addr: addr, rule: rule}, -1
	}
	return nil, -1
}

// longest returns the prefix length of the narrowest network that contains the address, or -1.
func longest(networks []netip.Prefix, addr netip.Addr) int {
	bits := -1
	for _, p := range networks {
		if p.Contains(addr) {
			bits = max(bits, p.Bits())
		}
	}
	return bits
}

// CheckDial returns an error if a connection may not be made. It is called with each address
// that is about to be dialled, and blocks what it can't check.
func (g *Guard) CheckDial(network, address string) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("the guard can't check a connection over %s, so it is blocked", network)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("the guard can't check the address %q, so it is blocked", address)
	}
	if err := g.checkPort(port); err != nil {
		return err
	}
	host, _, _ = strings.Cut(host, "%") // package net puts a zone on IPv4 addresses too
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("the guard can't check the address %q, so it is blocked", address)
	}
	return g.Check(addr)
}
