package app

import (
	"io"
	"net"
	"net/http"
	"time"
)

// A connection that is closed while its client still sends is reset, and the client
// may see the reset instead of the response. So after a response the service goes on
// reading for a while, and throws away what comes (RFC 9112, section 9.6). While it
// does, the connection counts as one that is open.
const lingerBytes = 64 << 20 // twice the largest HOOKFERRY_MAX_BODY

// patience is how long a connection is read on.
type patience struct {
	silence time.Duration // without a byte: the client waits for something, or is gone
	most    time.Duration // in all
}

// usualPatience is less than a body may take that is welcome.
var usualPatience = patience{silence: time.Second, most: 5 * time.Second}

// linger ends what is sent on a connection, reads on until the client has ended its part
// or a bound is reached, and closes it. A Close by somebody else ends it at once.
func linger(c net.Conn, p patience) {
	defer c.Close()
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.CopyN(io.Discard, impatient{c, p.silence, time.Now().Add(p.most)}, lingerBytes)
}

// impatient reads from a connection for as long as something comes, up to an end.
type impatient struct {
	conn    net.Conn
	silence time.Duration
	end     time.Time
}

func (r impatient) Read(b []byte) (int, error) {
	next := time.Now().Add(r.silence)
	if next.After(r.end) {
		next = r.end
	}
	if err := r.conn.SetReadDeadline(next); err != nil {
		return 0, err
	}
	return r.conn.Read(b)
}

// noteState is for http.Server: only a connection on which a request is under way can
// have a client that is still sending.
func noteState(c net.Conn, state http.ConnState) {
	if m, ok := c.(*member); ok {
		m.busy.Store(state == http.StateActive)
	}
}

// CloseWrite is what net/http does to a connection before it closes it with data unread.
func (m *member) CloseWrite() error {
	if half, ok := m.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close returns at once. A connection whose client may still be sending is closed a
// little later, unless Close is called again.
func (m *member) Close() error {
	if m.busy.Swap(false) {
		m.once.Do(func() {})
		go func() {
			defer m.of.now.Add(-1)
			linger(m.Conn, m.of.patience)
		}()
		return nil
	}
	m.once.Do(func() { m.of.now.Add(-1) })
	return m.Conn.Close()
}

// turnAway tells a connection that there is no room for it. Up to mostTurned of them are
// read on, like others that are refused; more are closed at once.
func (c *crowd) turnAway(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(time.Second))
	io.WriteString(conn, crowdedAnswer) // never waits: the send buffer of a fresh connection takes the few bytes
	if c.turned.Add(1) > mostTurned {
		c.turned.Add(-1)
		conn.Close()
		return
	}
	go func() {
		defer c.turned.Add(-1)
		linger(conn, c.patience)
	}()
}

// mostTurned is little beside any HOOKFERRY_MAX_CONNECTIONS that is in use.
const mostTurned = 64
