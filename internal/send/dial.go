package send

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"sync"
	"syscall"
	"time"
)

// dial opens a connection for an attempt, to one of the addresses of the name.
func (s *Sender) dial(ctx context.Context, a *attempt, address string) (*conn, error) {
	d := &dialing{attempt: a, guard: s.targets.guard}
	open := s.direct
	if s.proxy != nil {
		open = s.tunnel
	}
	c, err := open(ctx, d, address)
	if err != nil {
		return nil, d.verdict(err)
	}
	return c, nil
}

// direct dials the address itself.
func (s *Sender) direct(ctx context.Context, d *dialing, address string) (*conn, error) {
	c, err := s.dialer.DialContext(d.watch(ctx), "tcp", address)
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		c.Close()
		return nil, errors.New("the connection that was dialled is not one of TCP")
	}
	return &conn{TCPConn: tcp, peer: tcp.RemoteAddr().String()}, nil
}

// maxAddresses is how many addresses of a name are tried. An endpoint has a few; a
// name with hundreds would make each attempt knock at hundreds of doors.
const maxAddresses = 16

// dialing watches one dial, which may try several addresses, two at a time.
type dialing struct {
	attempt *attempt
	guard   *Guard
	mu      sync.Mutex
	tried   int
	failed  error // of the first address that the guard let pass
}

type dialingKey struct{}

var errTooMany = fmt.Errorf("the name has more than %d addresses, and no more are tried", maxAddresses)

// control is for net.Dialer.ControlContext, which calls it with each address that
// it is about to connect to.
func control(ctx context.Context, network, address string, _ syscall.RawConn) error {
	d, ok := ctx.Value(dialingKey{}).(*dialing)
	if !ok {
		return errors.New("an address is dialled for an attempt, and there is none")
	}
	return d.admit(network, address)
}

// admit says why an address may not be dialled; nil if it may, and is about to be. A
// name may lead to addresses that are called and to others that are not: then the
// former are, because half of an endpoint's record being wrong is no reason to lose
// its webhooks, and nobody gains by it.
func (d *dialing) admit(network, address string) error {
	if d.next() > maxAddresses {
		return errTooMany
	}
	if err := d.guard.CheckDial(network, address); err != nil {
		return err
	}
	d.attempt.step(connecting, func(at time.Time) { d.attempt.connectStart(address, at) })
	return nil
}

func (d *dialing) next() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tried++
	return d.tried
}

func (d *dialing) watch(ctx context.Context) context.Context {
	a := d.attempt
	ctx = context.WithValue(ctx, dialingKey{}, d)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) {
			a.step(resolving, func(at time.Time) { a.phase.dns = span{from: at} })
		},
		DNSDone: func(httptrace.DNSDoneInfo) {
			a.step(resolving, func(at time.Time) { a.phase.dns.to = at })
		},
		ConnectDone: func(_, address string, err error) { d.done(address, err) },
	})
}

func (a *attempt) connectStart(address string, at time.Time) {
	if a.phase.connect.from.IsZero() {
		a.phase.connect.from = at
	}
	if !a.connected {
		a.peer = address
	}
}

// connectDone keeps the end of the connection that was made, and not that of the
// others, which are given up when it is.
func (a *attempt) connectDone(address string, err error, at time.Time) {
	if a.connected {
		return
	}
	a.phase.connect.to = at
	if err == nil {
		a.connected, a.peer = true, address
	}
}

// done is how the dial of an address ended.
func (d *dialing) done(address string, err error) {
	d.note(err)
	d.attempt.step(connecting, func(at time.Time) { d.attempt.connectDone(address, err, at) })
}

func (d *dialing) note(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var blocked *blockedError
	if d.failed == nil && err != nil && !errors.As(err, &blocked) && !errors.Is(err, errTooMany) {
		d.failed = err
	}
}

// verdict is the error of the whole dial. A name that has an address which is
// refused and another that does not answer at present is not blocked for good.
func (d *dialing) verdict(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed != nil {
		return d.failed
	}
	return err
}
