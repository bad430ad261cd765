package send

import (
	"slices"
	"sync"
	"time"
)

// Bounds of the connections that are kept.
const (
	idlePerHost = 128  // as many as a busy lane has requests in flight
	idleInAll   = 1024 // file descriptors are finite
	idleTimeout = 50 * time.Second
	sweepEvery  = 10 * time.Second
)

// pool keeps the connections that are idle. There is no limit on those in use: a
// lane has its own.
type pool struct {
	mu     sync.Mutex
	idle   map[string][]*wire // by the end they lead to, the one used last at the end
	count  int
	closed bool
	timer  *time.Timer // of the next sweep; nil while there is nothing to sweep
}

// take gives a connection to this end that was idle and is fit for use, or nil. The
// one used last comes first, so that the others grow old when less is to do.
func (p *pool) take(to string) *wire {
	for {
		w := p.pop(to)
		if w == nil || w.fit(time.Now()) {
			return w
		}
		w.retire()
	}
}

func (p *pool) pop(to string) *wire {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[to]
	if len(list) == 0 {
		return nil
	}
	last := len(list) - 1
	w := list[last]
	list[last] = nil
	p.idle[to] = list[:last]
	p.count--
	return w
}

// put keeps a connection on which nothing is under way.
func (p *pool) put(w *wire) {
	w.idleSince = time.Now()
	if over := p.keep(w); over != nil {
		over.retire()
	}
}

// keep returns the connection that is one too many, or nil.
func (p *pool) keep(w *wire) (over *wire) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle[w.to]) >= idlePerHost {
		return w
	}
	if p.count >= idleInAll {
		over = p.any()
	}
	if p.idle == nil {
		p.idle = make(map[string][]*wire)
	}
	p.idle[w.to] = append(p.idle[w.to], w)
	p.count++
	if p.timer == nil {
		p.timer = time.AfterFunc(sweepEvery, p.sweep)
	}
	return over
}

// any takes out the oldest connection to some end: Go begins a map at a random place.
func (p *pool) any() *wire {
	for to, list := range p.idle {
		if len(list) > 0 {
			w := list[0]
			p.idle[to] = slices.Delete(list, 0, 1)
			p.count--
			return w
		}
	}
	return nil
}

// sweep closes those that have been idle for too long and those that the other end
// has closed, which nothing else would notice before they are needed.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for to, list := range p.idle {
		fit := list[:0]
		for _, w := range list {
			if w.fit(now) {
				fit = append(fit, w)
			} else {
				w.retire()
			}
		}
		clear(list[len(fit):])
		p.count -= len(list) - len(fit)
		if p.idle[to] = fit; len(fit) == 0 {
			delete(p.idle, to)
		}
	}
	p.timer = nil
	if p.count > 0 {
		p.timer = time.AfterFunc(sweepEvery, p.sweep)
	}
}

// close closes those that are idle, and from now on each that becomes so.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, list := range p.idle {
		for _, w := range list {
			w.retire()
		}
	}
	p.idle, p.count = nil, 0
}
