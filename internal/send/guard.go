package send

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// Rules are what an operator says about targets.
type Rules struct {
	Allow []netip.Prefix // networks that may be called although they are not public
	Deny  []netip.Prefix // networks that are not called, public or allowed or not

	Ports        []event.PortRange // that are called; none means every port
	RequireHTTPS bool
}

// Guard decides which targets may be called: those at public unicast addresses and
// in the networks that an operator allows, without those that he denies. It is safe
// for concurrent use.
type Guard struct{ rules Rules }

// NewGuard makes a guard that keeps to these rules.
func NewGuard(r Rules) *Guard {
	r.Allow, r.Deny = networks(r.Allow), networks(r.Deny)
	return &Guard{rules: r}
}

// networks makes prefixes fit to be compared with addresses.
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

// Check says why an address may not be called; nil if it may. An address that
// carries others is judged with each of them: to allow a translator is not to allow
// all that lies behind it.
func (g *Guard) Check(addr netip.Addr) error {
	// A prefix contains no address that has a zone or is an IPv4-mapped one, so
	// neither may be left on.
	addr = addr.WithZone("").Unmap()
	if !addr.IsValid() {
		return errors.New("no address was given, so none can be called")
	}
	blocked, known := g.judge(addr)
	if blocked != nil {
		return blocked
	}
	var room [maxEmbedded]netip.Addr
	for _, inner := range embedded(room[:0], addr, known) {
		if blocked, _ := g.judge(inner); blocked != nil {
			blocked.via = addr
			return blocked
		}
	}
	return nil
}

// judge says why this very address may not be called; nil if it may. known is the
// length of the allowed network that it is in, or -1.
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

// longest is the length of the narrowest network that holds the address, or -1.
func longest(networks []netip.Prefix, addr netip.Addr) int {
	bits := -1
	for _, p := range networks {
		if p.Contains(addr) {
			bits = max(bits, p.Bits())
		}
	}
	return bits
}

// CheckDial says why a connection may not be made; nil if it may. It is asked about
// each address that is about to be dialled, and refuses what it can't judge.
func (g *Guard) CheckDial(network, address string) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("the guard can't judge a connection by %s, so it is not made", network)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("the guard can't judge the address %q, so it is not called", address)
	}
	if err := g.checkPort(port); err != nil {
		return err
	}
	host, _, _ = strings.Cut(host, "%") // package net puts a zone on IPv4 addresses too
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("the guard can't judge the address %q, so it is not called", address)
	}
	return g.Check(addr)
}
