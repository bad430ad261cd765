package app

import (
	"io"
	"net"
	"net/http"
	"time"
)

// A connection that is closed while its client is still sending is reset, and the client may see
// the reset instead of the response. So after a response the service keeps reading for a while, and
// discards what it reads (RFC 9112, section 9.6). Meanwhile, the connection counts as open.
const lingerBytes = 64 << 20 // twice the largest HOOKFERRY_MAX_BODY

// patience is how long the service keeps reading from a connection.
type patience struct {
	silence time.Duration // how long without a byte: the client waits for something, or is gone
	total   time.Duration
}

// usualPatience is less than the time that the body of an accepted request may take.
var usualPatience = patience{silence: time.Second, total: 5 * time.Second}

// linger closes the sending side of a connection, reads until the client closes its side or a limit
// is reached, and closes the connection. A concurrent Close ends it at once.
func linger(c net.Conn, p patience) {
	defer c.Close()
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.CopyN(io.Discard, deadlineReader{c, p.silence, time.Now().Add(p.total)}, lingerBytes)
}

// deadlineReader reads from a connection until nothing arrives for a while, or until a deadline.
type deadlineReader struct {
	conn    net.Conn
	silence time.Duration
	end     time.Time
}

func (r deadlineReader) Read(b []byte) (int, error) {
	next := time.Now().Add(r.silence)
	if next.After(r.end) {
		next = r.end
	}
	if err := r.conn.SetReadDeadline(next); err != nil {
		return 0, err
	}
	return r.conn.Read(b)
}

// trackState is for http.Server. Only if a request is in flight on a connection can its client still
// be sending.
func trackState(c net.Conn, state http.ConnState) {
	if m, ok := c.(*limitedConn); ok {
		m.busy.Store(state == http.StateActive)
	}
}

// CloseWrite is called by net/http before it closes a connection with unread data.
func (m *limitedConn) CloseWrite() error {
	if half, ok := m.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close returns at once. If the client may still be sending, the connection is closed a little
// later, or when Close is called again.
func (m *limitedConn) Close() error {
	if m.busy.Swap(false) {
		m.once.Do(func() {})
		go func() {
			defer m.of.open.Add(-1)
			linger(m.Conn, m.of.patience)
		}()
		return nil
	}
	m.once.Do(func() { m.of.open.Add(-1) })
	return m.Conn.Close()
}

// refuse tells a client that there are too many connections. It keeps reading from up to
// maxDraining refused connections, as from others, and closes the rest at once.
func (c *limitListener) refuse(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(time.Second))
	io.WriteString(conn, refusal) // never blocks: these few bytes fit into the send buffer of a new connection
	if c.draining.Add(1) > maxDraining {
		c.draining.Add(-1)
		conn.Close()
		return
	}
	go func() {
		defer c.draining.Add(-1)
		linger(conn, c.patience)
	}()
}

// maxDraining is small compared with any realistic HOOKFERRY_MAX_CONNECTIONS.
const maxDraining = 64
