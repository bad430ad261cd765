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

// maxAddresses is how many addresses of a name are tried. An endpoint has a few; a
// name with hundreds would make each attempt knock at hundreds of doors.
const maxAddresses = 16

// resolver is what is used of net.Resolver, which knows the system's ways: /etc/hosts, the
// search list, the order of nsswitch.conf, the name servers.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// lookups looks names up.
//
// Addresses of both families are asked for by one call. By two, net.Resolver would go
// through the search list for each family apart, and might find the addresses of two
// different hosts.
type lookups struct {
	first resolver // is content with one family when the other is late
	whole resolver // waits for both
}

// addresses hands out the addresses of a name one by one.
type addresses struct {
	lookups *lookups
	host    string
	port    uint16
	watch   func(began, ended time.Time) // is told of the look-up, twice; may be nil
	list    []netip.Addr
	given   int
	asked   bool
	partial bool // one family may be missing
}

// addressesOf reads host:port.
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

// next returns the next address. Once there are no more of those that came first, it looks
// for the family that was late. io.EOF means that there are no more.
func (a *addresses) next(ctx context.Context) (netip.AddrPort, error) {
	if !a.asked {
		if err := a.look(ctx); err != nil {
			return netip.AddrPort{}, err
		}
	}
	if a.given == len(a.list) && a.partial {
		a.lookForTheRest(ctx)
	}
	if a.given >= min(len(a.list), maxAddresses) {
		return netip.AddrPort{}, io.EOF
	}
	a.given++
	return netip.AddrPortFrom(a.list[a.given-1], a.port), nil
}

func (a *addresses) look(ctx context.Context) error {
	a.asked = true
	began := time.Now()
	a.tell(began, time.Time{})
	found, partial, err := a.lookups.lookup(ctx, a.host)
	a.tell(began, time.Now())
	a.list, a.partial = interleaved(found), partial
	return err
}

func (a *addresses) lookForTheRest(ctx context.Context) {
	a.partial = false
	found, _ := a.lookups.whole.LookupNetIP(asking(ctx, newQuestion(ctx).patient()), "ip", a.host)
	for _, addr := range found {
		if addr = addr.Unmap(); !slices.Contains(a.list, addr) {
			a.list = append(a.list, addr)
		}
	}
}

func (a *addresses) tell(began, ended time.Time) {
	if a.watch != nil {
		a.watch(began, ended)
	}
}

// lookup looks a name up, over and over as long as no name server says anything and ctx
// goes on. partial means that one of the families may be missing.
func (n *lookups) lookup(ctx context.Context, host string) (found []netip.Addr, partial bool, err error) {
	for q := newQuestion(ctx); ; q = q.again() {
		turn := time.NewTimer(q.turn)
		found, err = n.first.LookupNetIP(asking(ctx, q), "ip", host)
		if err == nil && len(found) == 0 {
			err = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		if !isSilence(err) || ctx.Err() != nil {
			turn.Stop()
			return found, q.isPartial(found), err
		}
		if !q.hasty { // a resolver that gives up at once is not asked in a loop
			select {
			case <-turn.C:
			case <-ctx.Done():
				return nil, false, err
			}
		}
		turn.Stop()
	}
}

// isSilence reports whether no name server has said anything.
func isSilence(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsTimeout
}

// interleaved makes the families take turns, beginning with the one that the system prefers
// (RFC 8305, section 4), so that one that leads nowhere costs one address and not all.
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
