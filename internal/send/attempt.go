package send

import (
	"context"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// stage is the progress of an attempt.
type stage uint8

const (
	waiting     stage = iota // waiting for a connection
	resolving                // resolving the host name
	connecting               // connecting to peer
	handshaking              // in the TLS handshake with peer
	sent                     // connected to peer and sending the request
	receiving                // the first byte of the response was received
)

// attempt observes one attempt.
//
// Goroutines of race, which tries several addresses at a time, call some of its methods, even
// after Send has returned. That is why it has a lock, and why an attempt is never reused.
type attempt struct {
	parent   context.Context // ends when the process must stop
	began    time.Time
	limit    time.Duration // the timeout of the whole exchange; no part of it has its own
	deadline time.Time     // began + limit
	proxied  bool          // connections go to a proxy, whose address is not the peer's

	mu        sync.Mutex
	stage     stage
	peer      string
	reused    bool
	connected bool
	tried     int // how many addresses were tried
	phase     struct{ dns, connect, tls, response span }
}

// span is a phase. If it never began or never ended, its length is 0.
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

// retryConnection is called when an idle connection turned out to be dead.
func (a *attempt) retryConnection() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage, a.reused, a.peer = waiting, false, ""
}

// step records the progress of a dial. It does nothing once the attempt has a connection.
func (a *attempt) step(now stage, note func(at time.Time)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stage < sent {
		a.stage = max(a.stage, now)
		note(time.Now())
	}
}

// report writes the peer and the durations to the Outcome.
func (a *attempt) report(o *event.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o.Peer = a.peer
	o.Phases.FirstByte = a.phase.response.length()
	if !a.reused {
		o.Phases.DNS, o.Phases.Connect, o.Phases.TLS = a.phase.dns.length(), a.phase.connect.length(), a.phase.tls.length()
	}
	o.Duration = time.Since(a.began)
}
