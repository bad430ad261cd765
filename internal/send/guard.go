package send

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// Guard decides which addresses may be called: public unicast ones, and those of
// the networks that an operator allows. It is a pure classifier and safe for
// concurrent use.
type Guard struct{ allow []netip.Prefix }

// NewGuard makes a guard that allows these networks besides the public ones.
func NewGuard(allow []netip.Prefix) *Guard {
	g := &Guard{allow: make([]netip.Prefix, 0, len(allow))}
	for _, p := range allow {
		// 10.0.0.0/8 may have been written as ::ffff:10.0.0.0/104.
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.IsValid() {
			g.allow = append(g.allow, p.Masked())
		}
	}
	return g
}

// Check says why an address may not be called; nil if it may.
func (g *Guard) Check(addr netip.Addr) error {
	// A prefix contains no address that has a zone or is an IPv4-mapped one, so
	// neither may be left on.
	addr = addr.WithZone("").Unmap()
	if !addr.IsValid() {
		return errors.New("no address was given, so none can be called")
	}
	if g.allowed(addr) {
		return g.checkEmbedded(addr)
	}
	if s, found := rule(addr); found {
		return &blockedError{addr: addr, rule: s}
	}
	return nil
}

func (g *Guard) allowed(addr netip.Addr) bool {
	for _, p := range g.allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// checkEmbedded judges the IPv4 address at the end of an allowed NAT64 address:
// to allow the translator is not to allow all that lies behind it.
func (g *Guard) checkEmbedded(addr netip.Addr) error {
	for _, p := range nat64 {
		if p.Contains(addr) {
			bytes := addr.As16()
			var blocked *blockedError
			if errors.As(g.Check(netip.AddrFrom4([4]byte(bytes[12:]))), &blocked) {
				blocked.via = addr
				return blocked
			}
		}
	}
	return nil
}

// Control is for net.Dialer.Control, which calls it with each address that it is
// about to connect to. Whatever it can't judge it refuses.
func (g *Guard) Control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("the guard can't judge a connection by %s, so it is not made", network)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("the guard can't judge the address %q, so it is not called", address)
	}
	host, _, _ = strings.Cut(host, "%") // package net puts a zone on IPv4 addresses too
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("the guard can't judge the address %q, so it is not called", address)
	}
	return g.Check(addr)
}

// blockedError is the guard's refusal of an address.
type blockedError struct {
	addr netip.Addr
	rule special
	via  netip.Addr // the NAT64 address that leads to addr, if one does
}

// The advice is the one address and not its range: it will be copied as it
// stands, and whoever wants more can write more.
func (e *blockedError) Error() string {
	way := ""
	if e.via.IsValid() {
		way = fmt.Sprintf("%v leads to %v: ", e.via, e.addr)
	}
	return fmt.Sprintf("%s%v is %s (%s), which is not called; an operator may allow it with HOOKFERRY_ALLOW_TARGETS=%v",
		way, e.addr, e.rule.what, e.rule.source, netip.PrefixFrom(e.addr, e.addr.BitLen()))
}
