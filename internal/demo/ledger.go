package demo

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/receiver"
)

// ledger is what the demonstration knows from its own eyes: which events the
// service accepted, and what came to the receivers. It is kept apart from the
// service, whose account it is compared with.
type ledger struct {
	mu       sync.Mutex
	accepted []publication
	seen     map[string]*reception // by event id
	tallies  []tally               // by endpoint
	strays   int
	unproven int                        // requests whose signature is not right
	observe  func(receiver int, n news) // told of each answer; nil unless somebody watches
}

// publication is an event that the service accepted.
type publication struct {
	receiver int
	data     [sha256.Size]byte
	at       time.Time // when it was sent
	receipt  client.Receipt
}

// reception is what became of an event at the receivers.
type reception struct {
	receiver int // where it came first
	data     [sha256.Size]byte
	altered  bool // not the same on every attempt
	strayed  bool // came to another receiver too
	first    time.Time
	requests int
	taken    int // answered 200 to 299
	failed   bool
}

// tally counts one endpoint's events.
type tally struct {
	planned, accepted int
	requests          int
	taken             int
	troubled          int // failed at least once and not taken yet
}

// news is an answer that a receiver gave.
type news struct {
	receiver.Arrival
	status int
	number int
}

func newLedger(receivers int) *ledger {
	return &ledger{seen: map[string]*reception{}, tallies: make([]tally, receivers)}
}

func (l *ledger) plan(events []plannedEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		l.tallies[e.receiver].planned++
	}
}

func (l *ledger) accept(p publication) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted = append(l.accepted, p)
	l.tallies[p.receiver].accepted++
}

// arrived books a request and returns the number of its event's attempt.
func (l *ledger) arrived(at int, a receiver.Arrival) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tallies[at].requests++
	if a.Verdict != receiver.Verified {
		l.unproven++
		return 0
	}
	data := sha256.Sum256(a.Data)
	r := l.seen[a.ID]
	if r == nil {
		r = &reception{receiver: at, data: data, first: a.At}
		l.seen[a.ID] = r
	}
	r.requests++
	r.altered = r.altered || r.data != data
	r.strayed = r.strayed || r.receiver != at
	return r.requests
}

// answered books the answer to a request that arrived.
func (l *ledger) answered(at int, a receiver.Arrival, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, t := l.seen[a.ID], &l.tallies[at]
	switch isTaken := status >= 200 && status <= 299; {
	case isTaken:
		if r.taken++; r.taken == 1 {
			t.taken++
			if r.failed {
				t.troubled--
			}
		}
	case !r.failed && r.taken == 0:
		r.failed = true
		t.troubled++
	}
	if l.observe != nil {
		l.observe(at, news{Arrival: a, status: status, number: r.requests})
	}
}

func (l *ledger) stray() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strays++
}

// progress is a copy of the counts, and how long the timed webhooks took.
func (l *ledger) progress(isTimed func(receiver int) bool) ([]tally, []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var took []time.Duration
	for _, p := range l.accepted {
		if r := l.seen[p.receipt.EventID]; r != nil && isTimed(p.receiver) {
			took = append(took, r.first.Sub(p.at))
		}
	}
	slices.Sort(took)
	return slices.Clone(l.tallies), took
}

// percentile is the smallest of the sorted durations that so many of a hundred do
// not exceed; 0 of none.
func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}
