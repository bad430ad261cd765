package send

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// dial opens a connection for an attempt, to one of the addresses of the name.
func (s *Sender) dial(ctx context.Context, a *attempt, address string) (*conn, error) {
	from, err := s.lookups.addressesOf(address)
	if err != nil {
		return nil, err
	}
	from.watch = a.resolve
	d := &dialing{attempt: a, guard: s.targets.guard}
	open := s.direct
	if s.proxy != nil {
		open = s.tunnel
	}
	return race(ctx, from.next, func(ctx context.Context, addr netip.AddrPort) (*conn, error) {
		return open(ctx, d, addr)
	})
}

// direct dials the address itself.
func (s *Sender) direct(ctx context.Context, d *dialing, addr netip.AddrPort) (*conn, error) {
	tcp, err := dialTCP(context.WithValue(ctx, dialingKey{}, d), s.dialer, addr)
	d.done(addr.String(), err)
	if err != nil {
		return nil, err
	}
	return &conn{TCPConn: tcp, peer: tcp.RemoteAddr().String()}, nil
}

func dialTCP(ctx context.Context, dialer *net.Dialer, addr netip.AddrPort) (*net.TCPConn, error) {
	c, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		c.Close()
		return nil, errors.New("the connection that was dialled is not one of TCP")
	}
	return tcp, nil
}

// dialing is the dial for an attempt, which may try several addresses at a time.
type dialing struct {
	attempt *attempt
	guard   *Guard
}

type dialingKey struct{}

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
	if err := d.guard.CheckDial(network, address); err != nil {
		return err
	}
	d.attempt.step(connecting, func(at time.Time) { d.attempt.connectStart(address, at) })
	return nil
}

// done is how the dial of an address ended.
func (d *dialing) done(address string, err error) {
	d.attempt.step(connecting, func(at time.Time) { d.attempt.connectDone(address, err, at) })
}

// resolve notes the look-up of the name.
func (a *attempt) resolve(began, ended time.Time) {
	a.step(resolving, func(time.Time) { a.phase.dns = span{from: began, to: ended} })
}

func (a *attempt) connectStart(address string, at time.Time) {
	if a.phase.connect.from.IsZero() {
		a.phase.connect.from = at
	}
	a.tried++
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
