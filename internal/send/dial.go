package send

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// dial opens a connection for an attempt to one of the addresses of the host.
func (s *Sender) dial(ctx context.Context, a *attempt, address string) (*tcpConn, error) {
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
	return race(ctx, from.next, func(ctx context.Context, addr netip.AddrPort) (*tcpConn, error) {
		return open(ctx, d, addr)
	})
}

// direct dials the address without a proxy.
func (s *Sender) direct(ctx context.Context, d *dialing, addr netip.AddrPort) (*tcpConn, error) {
	tcp, err := dialTCP(context.WithValue(ctx, dialingKey{}, d), s.dialer, addr)
	d.done(addr.String(), err)
	if err != nil {
		return nil, err
	}
	return &tcpConn{TCPConn: tcp, peer: tcp.RemoteAddr().String()}, nil
}

func dialTCP(ctx context.Context, dialer *net.Dialer, addr netip.AddrPort) (*net.TCPConn, error) {
	c, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		c.Close()
		return nil, errors.New("the dialled connection is not a TCP connection")
	}
	return tcp, nil
}

// dialing is the dial of one attempt, which may try several addresses at a time.
type dialing struct {
	attempt *attempt
	guard   *Guard
}

type dialingKey struct{}

// control is a net.Dialer.ControlContext: the dialer calls it with each address to which it is
// about to connect.
func control(ctx context.Context, network, address string, _ syscall.RawConn) error {
	d, ok := ctx.Value(dialingKey{}).(*dialing)
	if !ok {
		return errors.New("an address was dialled without an attempt")
	}
	return d.admit(network, address)
}

// admit returns an error if the address may not be dialled. Otherwise it records that the dial
// starts. A name may resolve to some addresses that are allowed and others that are blocked. The
// allowed ones are dialled: one wrong DNS record is no reason to lose webhooks, and an attacker
// gains nothing by it.
func (d *dialing) admit(network, address string) error {
	if err := d.guard.CheckDial(network, address); err != nil {
		return err
	}
	d.attempt.step(connecting, func(at time.Time) { d.attempt.connectStart(address, at) })
	return nil
}

// done records how the dial of an address ended.
func (d *dialing) done(address string, err error) {
	d.attempt.step(connecting, func(at time.Time) { d.attempt.connectDone(address, err, at) })
}

// resolve records the lookup of the name.
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

// connectDone records the end of a dial. Once a connection is made the other dials are
// cancelled, and their end is not recorded.
func (a *attempt) connectDone(address string, err error, at time.Time) {
	if a.connected {
		return
	}
	a.phase.connect.to = at
	if err == nil {
		a.connected, a.peer = true, address
	}
}
