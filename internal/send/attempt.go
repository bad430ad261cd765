package send

import (
	"context"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// stage is how far an attempt has come.
type stage uint8

const (
	waiting    stage = iota // for a connection
	resolving               // the host's name
	connecting              // to peer
	handshaking
	sent      // to peer: a connection is there, and the request goes out on it
	answering // the first byte has come
)

// attempt watches one attempt on its way to an answer.
//
// Some of its methods are called by goroutines of race, which tries several addresses
// at a time, and may be so after Send has returned. That is why there is a
// lock, and why an attempt is never used again for another.
type attempt struct {
	parent   context.Context // ends when the process must stop
	began    time.Time
	limit    time.Duration // of the whole exchange; no part of it has a limit of its own
	deadline time.Time     // when it is over
	proxied  bool          // what is dialled is a proxy, and nobody's peer

	mu        sync.Mutex
	stage     stage
	peer      string
	reused    bool
	connected bool
	tried     int // addresses
	phase     struct{ dns, connect, tls, answer span }
}

// span is a phase; one that never began or never ended has no length.
type span struct{ from, to time.Time }

func (s span) length() time.Duration {
	if s.from.IsZero() {
		return 0
	}
	return max(0, s.to.Sub(s.from))
}

func newAttempt(parent context.Context, limit time.Duration) *attempt {
	now := time.Now()
	return &attempt{parent: parent, began: now, limit: limit, deadline: now.Add(limit)}
}

// waitAgain is when a kept connection turned out to be dead.
func (a *attempt) waitAgain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage, a.reused, a.peer = waiting, false, ""
}

// step notes where a dial stands on the way to a connection, unless the attempt has
// one by now: then the dial is for others.
func (a *attempt) step(now stage, note func(at time.Time)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stage < sent {
		a.stage = max(a.stage, now)
		note(time.Now())
	}
}

// report writes into the Outcome what was seen.
func (a *attempt) report(o *event.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o.Peer = a.peer
	o.Phases.FirstByte = a.phase.answer.length()
	if !a.reused {
		o.Phases.DNS, o.Phases.Connect, o.Phases.TLS = a.phase.dns.length(), a.phase.connect.length(), a.phase.tls.length()
	}
	o.Duration = time.Since(a.began)
}
