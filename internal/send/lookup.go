package send

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// maxAddresses is the maximum number of addresses of a name that are tried. Endpoints have a few.
// Without a limit, each attempt would connect to every address of a name with hundreds.
const maxAddresses = 16

// resolver is the part of net.Resolver that is used. It applies the system's configuration:
// /etc/hosts, the search list, the order in nsswitch.conf, the name servers.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// lookups looks up names.
//
// One call asks for the addresses of both families. With two calls, net.Resolver would go through
// the search list for each family separately, and might find the addresses of two different
// hosts.
type lookups struct {
	first resolver // does not wait for a late family
	whole resolver // waits for both families
}

// addresses returns the addresses of a name one by one.
type addresses struct {
	lookups *lookups
	host    string
	port    uint16
	watch   func(began, ended time.Time) // called when the lookup begins and ends; may be nil
	list    []netip.Addr
	given   int  // how many of list were returned
	asked   bool // the lookup was made
	partial bool // one family may be missing
}

// addressesOf parses host:port.
func (n *lookups) addressesOf(address string) (*addresses, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	a := &addresses{lookups: n, host: host, port: uint16(port)}
	if addr, err := netip.ParseAddr(host); err == nil {
		a.list, a.asked = []netip.Addr{addr.Unmap()}, true
	}
	return a, nil
}

// next returns the next address. After the last one it looks up the late family, if there was
// one. It returns io.EOF if there are no more addresses.
func (a *addresses) next(ctx context.Context) (netip.AddrPort, error) {
	if !a.asked {
		if err := a.lookUp(ctx); err != nil {
			return netip.AddrPort{}, err
		}
	}
	if a.given == len(a.list) && a.partial {
		a.lookUpRest(ctx)
	}
	if a.given >= min(len(a.list), maxAddresses) {
		return netip.AddrPort{}, io.EOF
	}
	a.given++
	return netip.AddrPortFrom(a.list[a.given-1], a.port), nil
}

func (a *addresses) lookUp(ctx context.Context) error {
	a.asked = true
	began := time.Now()
	a.notify(began, time.Time{})
	found, partial, err := a.lookups.lookup(ctx, a.host)
	a.notify(began, time.Now())
	a.list, a.partial = interleaved(found), partial
	return err
}

// lookUpRest adds the addresses of the late family.
func (a *addresses) lookUpRest(ctx context.Context) {
	a.partial = false
	found, _ := a.lookups.whole.LookupNetIP(withQuestion(ctx, newQuestion(ctx).patient()), "ip", a.host)
	for _, addr := range found {
		if addr = addr.Unmap(); !slices.Contains(a.list, addr) {
			a.list = append(a.list, addr)
		}
	}
}

func (a *addresses) notify(began, ended time.Time) {
	if a.watch != nil {
		a.watch(began, ended)
	}
}

// lookup looks up a name. It repeats the lookup until a name server responds or ctx ends.
// partial means that one of the families may be missing.
func (n *lookups) lookup(ctx context.Context, host string) (found []netip.Addr, partial bool, err error) {
	for q := newQuestion(ctx); ; q = q.again() {
		turn := time.NewTimer(q.turn)
		found, err = n.first.LookupNetIP(withQuestion(ctx, q), "ip", host)
		if err == nil && len(found) == 0 {
			err = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		if !isSilence(err) || ctx.Err() != nil {
			turn.Stop()
			return found, q.isPartial(found), err
		}
		if !q.hasty { // do not spin if the resolver gives up at once
			select {
			case <-turn.C:
			case <-ctx.Done():
				return nil, false, err
			}
		}
		turn.Stop()
	}
}

// isSilence reports whether no name server has responded.
func isSilence(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsTimeout
}

// interleaved alternates between the families, beginning with the one that the system prefers
// (RFC 8305, section 4). So a family that can't be reached delays a dial by one address, not by
// all of its addresses.
func interleaved(found []netip.Addr) []netip.Addr {
	var families [2][]netip.Addr
	for _, addr := range found {
		addr = addr.Unmap()
		which := 0
		if addr.Is4() != found[0].Unmap().Is4() {
			which = 1
		}
		families[which] = append(families[which], addr)
	}
	list := make([]netip.Addr, 0, len(found))
	for i := range max(len(families[0]), len(families[1])) {
		for _, family := range families {
			if i < len(family) {
				list = append(list, family[i])
			}
		}
	}
	return list
}
