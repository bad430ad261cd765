package app

import (
	"net"
	"sync"
	"sync/atomic"
)

// limitListener is a listener that limits the number of open connections, so that memory and file
// descriptors stay bounded. A connection beyond the limit gets a 503 and is closed instead of
// waiting, so that a load balancer can try another node.
type limitListener struct {
	net.Listener
	limit    int64
	patience patience
	open     atomic.Int64
	draining atomic.Int64 // refused connections that are still being read
	refused  func()
}

const refusal = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 2\r\nConnection: close\r\n\r\n" +
	`{"type":"urn:hookferry:problem:too_many_connections","title":"Service Unavailable","status":503,` +
	`"detail":"Too many connections are open. Try again, and keep fewer connections open.","code":"too_many_connections"}` + "\n"

// Accept returns the next connection within the limit.
func (c *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c.open.Add(1) <= c.limit {
			return &limitedConn{Conn: conn, of: c}, nil
		}
		c.open.Add(-1)
		c.refused()
		c.refuse(conn)
	}
}

// limitedConn is a connection that counts as open until it is closed.
type limitedConn struct {
	net.Conn
	of   *limitListener
	once sync.Once
	busy atomic.Bool // a request is in flight
}
