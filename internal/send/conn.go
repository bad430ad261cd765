package send

import (
	"context"
	"crypto/tls"
	"net"
	"syscall"
	"time"

	"github.com/hookferry/hookferry/internal/faultpoint"
)

// tcpConn is a TCP connection with the text of its peer's address. Formatting the address for each
// attempt would cost as much as signing the request.
type tcpConn struct {
	*net.TCPConn
	peer string
}

// conn is a connection over which requests are sent, one after another.
type conn struct {
	net.Conn          // reads and writes go here: to tcp itself, or to TLS over it
	tcp      *tcpConn // the underlying connection
	origin   string
	idle     struct {
		raw   syscall.RawConn
		look  func(fd uintptr)
		found state
	}
	idleSince time.Time
	watched   context.Context // when it ends, the exchange under way is aborted
	unwatch   func() bool
}

// state is the state of an idle connection.
type state uint8

const (
	silent      state = iota // usable
	dataPending              // the peer has sent data unasked, perhaps a TLS alert
	ended                    // the peer has closed the connection, or it is broken
)

// open opens a connection to the target's origin, ready for a request.
func (s *Sender) open(a *attempt, t *target) (*conn, error) {
	ctx, cancel := context.WithDeadline(a.parent, a.deadline)
	defer cancel()
	tcp, err := s.dial(ctx, a, t.address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: tcp.TCPConn, tcp: tcp, origin: t.origin}
	c.idle.look = func(fd uintptr) { c.idle.found = peek(fd) }
	c.idle.raw, err = tcp.SyscallConn()
	switch {
	case err != nil:
	case t.url.Scheme == "https":
		err = s.handshake(ctx, a, c, t.url.Hostname())
	case c.state() == dataPending: // with TLS, the handshake would fail
		a.use(c, false)
		err = errEarly
	}
	if err != nil {
		tcp.Close()
		return nil, err
	}
	return c, nil
}

func (s *Sender) handshake(ctx context.Context, a *attempt, c *conn, host string) error {
	config := s.tls.Clone()
	config.ServerName = host
	cached := session{all: s.sessions, origin: c.origin}
	config.ClientSessionCache = cached
	secure := tls.Client(c.tcp.TCPConn, config)
	c.Conn = secure
	a.step(handshaking, func(at time.Time) { a.phase.tls.from = at })
	err := secure.HandshakeContext(ctx) // ctx ends with the attempt: the handshake has no timeout of its own
	if err != nil {
		cached.forget()
	}
	a.step(handshaking, func(at time.Time) { a.phase.tls.to = at })
	return err
}

// isUsable reports whether an idle connection may be used for a request.
func (c *conn) isUsable(now time.Time) bool {
	return now.Sub(c.idleSince) < idleTimeout && c.state() == silent
}

// begin is called before each exchange. It makes the exchange end at the deadline or when ctx
// ends. All attempts usually have the same context, so the connection keeps watching it from
// one exchange to the next. begin returns false if the end of an earlier context may abort this
// exchange.
func (c *conn) begin(ctx context.Context, deadline time.Time) bool {
	if c.watched != ctx {
		if c.unwatch != nil && !c.unwatch() {
			return false
		}
		c.watched, c.unwatch = ctx, context.AfterFunc(ctx, c.abort)
	}
	c.tcp.SetDeadline(deadline)
	if ctx.Err() != nil { // ctx may have ended before the deadline was set
		c.abort()
	}
	return true
}

// end is called after the last exchange.
func (c *conn) end() {
	if c.unwatch != nil {
		c.unwatch()
	}
}

// state returns the state of an idle connection. It does not block and reads nothing.
func (c *conn) state() state {
	c.idle.found = ended
	c.idle.raw.Control(c.idle.look) // fails if the connection is closed
	return c.idle.found
}

// retire closes an idle connection, with a TLS close notification.
func (c *conn) retire() {
	c.end()
	c.Conn.Close()
}

// drop closes the connection at once, whatever is under way.
func (c *conn) drop() {
	c.end()
	c.tcp.Close()
}

// abort makes all reads and writes fail.
func (c *conn) abort() { c.tcp.SetDeadline(time.Unix(1, 0)) }

// use records the connection that the attempt uses.
func (a *attempt) use(c *conn, reused bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage, a.reused, a.peer = sent, reused, c.tcp.peer
	a.phase.response = span{from: time.Now()}
	faultpoint.Reach("send: connected")
}
