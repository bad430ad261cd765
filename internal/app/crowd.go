package app

import (
	"net"
	"sync"
	"sync/atomic"
)

// crowd is a listener that lets so many connections in at once and no more. One too
// many is told so and closed, rather than left waiting: whoever balances load goes to
// another node, and memory and file descriptors stay bounded.
type crowd struct {
	net.Listener
	most     int64
	patience patience
	now      atomic.Int64
	turned   atomic.Int64 // of those that were refused: how many are still read
	refused  func()
}

const crowdedAnswer = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 2\r\nConnection: close\r\n\r\n" +
	`{"type":"urn:hookferry:problem:too_many_connections","title":"Service Unavailable","status":503,` +
	`"detail":"So many connections are open that no other is taken: send the request again, and keep fewer open.","code":"too_many_connections"}` + "\n"

// Accept returns the next connection that there is room for.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c.now.Add(1) <= c.most {
			return &member{Conn: conn, of: c}, nil
		}
		c.now.Add(-1)
		c.refused()
		c.turnAway(conn)
	}
}

// member is a connection that counts until it is closed.
type member struct {
	net.Conn
	of   *crowd
	once sync.Once
	busy atomic.Bool // a request is under way
}
