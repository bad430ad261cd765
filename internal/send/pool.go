package send

import (
	"slices"
	"sync"
	"time"
)

// The limits on idle connections.
const (
	idlePerHost = 128  // enough for the requests in flight of a busy lane
	idleInAll   = 1024 // file descriptors are finite
	idleTimeout = 50 * time.Second
	sweepEvery  = 10 * time.Second
)

// pool keeps idle connections. It does not limit the connections in use; the lanes do.
type pool struct {
	mu     sync.Mutex
	idle   map[string][]*conn // by origin, most recently used last
	count  int
	closed bool
	timer  *time.Timer // of the next sweep; nil if no connection is idle
}

// take removes and returns a usable idle connection to the origin, or nil if there is none. It
// prefers the most recently used one, so that the others expire when there is less traffic.
func (p *pool) take(origin string) *conn {
	for {
		c := p.pop(origin)
		if c == nil || c.isUsable(time.Now()) {
			return c
		}
		c.retire()
	}
}

func (p *pool) pop(origin string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[origin]
	if len(list) == 0 {
		return nil
	}
	last := len(list) - 1
	c := list[last]
	list[last] = nil
	p.idle[origin] = list[:last]
	p.count--
	return c
}

// put adds an idle connection to the pool.
func (p *pool) put(c *conn) {
	c.idleSince = time.Now()
	if excess := p.add(c); excess != nil {
		excess.retire()
	}
}

// add adds a connection. If that exceeds a limit, it returns a connection to close, which may be
// c.
func (p *pool) add(c *conn) (excess *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle[c.origin]) >= idlePerHost {
		return c
	}
	if p.count >= idleInAll {
		excess = p.evict()
	}
	if p.idle == nil {
		p.idle = make(map[string][]*conn)
	}
	p.idle[c.origin] = append(p.idle[c.origin], c)
	p.count++
	if p.timer == nil {
		p.timer = time.AfterFunc(sweepEvery, p.sweep)
	}
	return excess
}

// evict removes the oldest connection to a random origin: Go iterates over maps in random order.
func (p *pool) evict() *conn {
	for origin, list := range p.idle {
		if len(list) > 0 {
			c := list[0]
			p.idle[origin] = slices.Delete(list, 0, 1)
			p.count--
			return c
		}
	}
	return nil
}

// sweep closes connections that have been idle for too long, and those that the endpoint has
// closed, which would otherwise be noticed only when they are needed.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for origin, list := range p.idle {
		usable := list[:0]
		for _, c := range list {
			if c.isUsable(now) {
				usable = append(usable, c)
			} else {
				c.retire()
			}
		}
		clear(list[len(usable):])
		p.count -= len(list) - len(usable)
		if p.idle[origin] = usable; len(usable) == 0 {
			delete(p.idle, origin)
		}
	}
	p.timer = nil
	if p.count > 0 {
		p.timer = time.AfterFunc(sweepEvery, p.sweep)
	}
}

// close closes all idle connections, and from now on each connection that becomes idle.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, list := range p.idle {
		for _, c := range list {
			c.retire()
		}
	}
	p.idle, p.count = nil, 0
}
