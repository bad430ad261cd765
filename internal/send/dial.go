package send

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"time"
)

// conn is a connection that knows the name of its other end: making the text
// anew for each attempt would cost as much as signing it.
type conn struct {
	*net.TCPConn
	peer string
}

// dial opens a connection for the transport. The transport's context lives on
// when the attempt's has ended, so that a late connection may serve another; the
// dialer's time-out and the attempt's deadline bound it.
func (s *Sender) dial(ctx context.Context, network, address string) (net.Conn, error) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return nil, errors.New("a connection is dialled for an attempt, and there is none")
	}
	ctx, cancel := context.WithTimeout(ctx, a.limit-time.Since(a.began))
	defer cancel()
	d := &dialing{attempt: a}
	c, err := s.dialer.DialContext(d.watch(ctx), network, address)
	if err != nil {
		return nil, d.verdict(err)
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		c.Close()
		return nil, errors.New("the connection that was dialled is not one of TCP")
	}
	return &conn{TCPConn: tcp, peer: tcp.RemoteAddr().String()}, nil
}

// dialing watches one dial, which may try several addresses, two at a time.
type dialing struct {
	attempt *attempt
	mu      sync.Mutex
	failed  error // of the first address that the guard let pass
}

func (d *dialing) watch(ctx context.Context) context.Context {
	a := d.attempt
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) {
			a.step(resolving, func(at time.Time) { a.phase.dns = span{from: at} })
		},
		DNSDone: func(httptrace.DNSDoneInfo) {
			a.step(resolving, func(at time.Time) { a.phase.dns.to = at })
		},
		ConnectStart: func(_, address string) {
			a.step(connecting, func(at time.Time) { a.connectStart(address, at) })
		},
		ConnectDone: func(_, address string, err error) {
			d.note(err)
			a.step(connecting, func(at time.Time) { a.connectDone(address, err, at) })
		},
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

func (d *dialing) note(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var blocked *blockedError
	if d.failed == nil && err != nil && !errors.As(err, &blocked) {
		d.failed = err
	}
}

// verdict is the error of the whole dial. A name that has an address which is
// refused and another that does not answer at present is not blocked for good.
func (d *dialing) verdict(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var blocked *blockedError
	if d.failed != nil && errors.As(err, &blocked) {
		return d.failed
	}
	return err
}
