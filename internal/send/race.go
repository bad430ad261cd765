package send

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"
)

// nextAfter is how long an address is tried before the next one is tried in parallel
// (RFC 8305, section 5, the connection attempt delay).
const nextAfter = 250 * time.Millisecond

// race dials addresses and returns the first connection that succeeds. It starts the next dial
// when one fails, or after nextAfter. Earlier dials continue until one succeeds or ctx ends.
// Connections that succeed too late are closed. next returns the next address. Its error ends the
// list, and is the error of race if there was no address.
func race[C io.Closer](ctx context.Context, next func(context.Context) (netip.AddrPort, error), dial func(context.Context, netip.AddrPort) (C, error)) (C, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &racing[C]{next: next, dial: dial, found: make(chan candidate, 1), ended: make(chan result[C])}
	defer func() {
		if r.running > 0 {
			go r.closeLate(r.running)
		}
	}()

	timer := time.NewTimer(nextAfter)
	defer timer.Stop()
	for r.ask(ctx); r.asking || r.running > 0; {
		select {
		case c := <-r.found:
			r.asking = false
			r.start(ctx, c)
			timer.Reset(nextAfter)
		case <-timer.C:
			r.ask(ctx)
		case e := <-r.ended:
			r.running--
			if e.err == nil {
				return e.conn, nil
			}
			r.errs[e.place] = e.err
			if isHopeless(e.err) {
				cancel()
				r.last = e.err
			}
			r.ask(ctx)
		}
	}
	var none C
	return none, r.verdict()
}

// racing is the state of a race. The goroutines that it starts use only the channels.
type racing[C io.Closer] struct {
	next    func(context.Context) (netip.AddrPort, error)
	dial    func(context.Context, netip.AddrPort) (C, error)
	found   chan candidate
	ended   chan result[C]
	asking  bool
	running int
	errs    []error // of each dial, in the order in which they were started
	last    error   // why there are no more addresses
}

type candidate struct {
	addr netip.AddrPort
	err  error
}

type result[C io.Closer] struct {
	place int
	conn  C
	err   error
}

// ask asks for the next address in a goroutine, because it may need a lookup.
func (r *racing[C]) ask(ctx context.Context) {
	if r.last == nil {
		r.last = ctx.Err()
	}
	if r.asking || r.last != nil {
		return
	}
	r.asking = true
	go func() {
		addr, err := r.next(ctx)
		r.found <- candidate{addr, err}
	}()
}

func (r *racing[C]) start(ctx context.Context, c candidate) {
	if c.err != nil && r.last == nil {
		r.last = c.err
	}
	if r.last != nil {
		return
	}
	place := len(r.errs)
	r.errs = append(r.errs, nil)
	r.running++
	go func() {
		conn, err := r.dial(ctx, c.addr)
		r.ended <- result[C]{place, conn, err}
	}()
}

// closeLate closes the connections that succeed after another has won.
func (r *racing[C]) closeLate(running int) {
	for range running {
		if e := <-r.ended; e.err == nil {
			e.conn.Close()
		}
	}
}

// verdict returns the error of the first address that the guard did not block. If a name has one
// blocked address and another that does not respond at present, it must not count as blocked,
// because that would end the delivery.
func (r *racing[C]) verdict() error {
	if isHopeless(r.last) {
		return r.last
	}
	var refused error
	for _, err := range r.errs {
		var blocked *blockedError
		if !errors.As(err, &blocked) {
			return err
		}
		if refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return refused
	}
	return r.last
}

// isHopeless reports whether no other address would help.
func isHopeless(err error) bool {
	var e *proxyError
	return errors.As(err, &e) && e.hopeless()
}
