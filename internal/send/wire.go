package send

import (
	"context"
	"crypto/tls"
	"net"
	"syscall"
	"time"

	"github.com/hookferry/hookferry/internal/faultpoint"
)

// conn is a TCP connection that knows the name of its other end: making the text
// anew for each attempt would cost as much as signing it.
type conn struct {
	*net.TCPConn
	peer string
}

// wire is a connection over which requests go, one after another.
type wire struct {
	net.Conn       // what is written to and read from: tcp itself, or TLS over it
	tcp      *conn // what it is underneath
	to       string
	idle     struct {
		raw   syscall.RawConn
		look  func(fd uintptr)
		found state
	}
	idleSince time.Time
	watched   context.Context // whose end breaks off what is under way
	unwatch   func() bool
}

// state is what a look at a connection finds on which nothing is under way.
type state uint8

const (
	silent state = iota // as it should be
	spoken              // the other end has sent something unasked, an alert of TLS perhaps
	ended               // the other end has closed it, or it is broken
)

// open makes a connection to the target's end, ready for a request.
func (s *Sender) open(a *attempt, t *target) (*wire, error) {
	ctx, cancel := context.WithDeadline(a.parent, a.deadline)
	defer cancel()
	c, err := s.dial(ctx, a, t.address)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: c.TCPConn, tcp: c, to: t.to}
	w.idle.look = func(fd uintptr) { w.idle.found = peek(fd) }
	w.idle.raw, err = c.SyscallConn()
	switch {
	case err != nil:
	case t.url.Scheme == "https":
		err = s.handshake(ctx, a, w, t.url.Hostname())
	case w.state() == spoken: // with TLS it would be the handshake's
		a.use(w, false)
		err = errEarly
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return w, nil
}

func (s *Sender) handshake(ctx context.Context, a *attempt, w *wire, host string) error {
	config := s.tls.Clone()
	config.ServerName = host
	kept := session{all: s.sessions, to: w.to}
	config.ClientSessionCache = kept
	c := tls.Client(w.tcp.TCPConn, config)
	w.Conn = c
	a.step(handshaking, func(at time.Time) { a.phase.tls.from = at })
	err := c.HandshakeContext(ctx) // ctx ends with the attempt: the handshake has no limit of its own
	if err != nil {
		kept.forget()
	}
	a.step(handshaking, func(at time.Time) { a.phase.tls.to = at })
	return err
}

// fit reports whether a connection that was idle may be used.
func (w *wire) fit(now time.Time) bool {
	return now.Sub(w.idleSince) < idleTimeout && w.state() == silent
}

// begin is before each exchange, which ends at the deadline, or with ctx. All attempts have
// the same context as a rule, so that what watches it can stay from one to the next. It
// reports false where the end of another one may break this exchange off.
func (w *wire) begin(ctx context.Context, deadline time.Time) bool {
	if w.watched != ctx {
		if w.unwatch != nil && !w.unwatch() {
			return false
		}
		w.watched, w.unwatch = ctx, context.AfterFunc(ctx, w.breakOff)
	}
	w.tcp.SetDeadline(deadline)
	if ctx.Err() != nil { // its end may have come before the deadline was set
		w.breakOff()
	}
	return true
}

// end is after the last exchange.
func (w *wire) end() {
	if w.unwatch != nil {
		w.unwatch()
	}
}

// state looks at what has come without taking it, and waits for nothing.
func (w *wire) state() state {
	w.idle.found = ended
	w.idle.raw.Control(w.idle.look) // fails if the connection is closed
	return w.idle.found
}

// retire closes a connection on which nothing is under way, with TLS's farewell.
func (w *wire) retire() {
	w.end()
	w.Conn.Close()
}

// drop closes it in the middle of whatever is under way, and waits for nothing.
func (w *wire) drop() {
	w.end()
	w.tcp.Close()
}

// breakOff ends all reading and writing.
func (w *wire) breakOff() { w.tcp.SetDeadline(time.Unix(1, 0)) }

// use is when the attempt has got its connection.
func (a *attempt) use(w *wire, reused bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage, a.reused, a.peer = sent, reused, w.tcp.peer
	a.phase.answer = span{from: time.Now()}
	faultpoint.Reach("send: connected")
}
