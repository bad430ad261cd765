package demo

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/receiver"
)

// ledger records what the demo itself observes: which events the service accepted, and what arrived
// at the endpoints. It is independent of the service, whose numbers it is compared with.
type ledger struct {
	mu         sync.Mutex
	accepted   []publication
	seen       map[string]*reception // by event id
	tallies    []tally               // by endpoint
	redirected int
	unsigned   int                            // requests without a valid signature
	observe    func(endpoint int, n response) // called for each response; may be nil
}

// publication is an event that the service accepted.
type publication struct {
	endpoint int
	data     [sha256.Size]byte
	at       time.Time // when it was published
	receipt  client.Receipt
}

// reception is what happened to an event at the endpoints.
type reception struct {
	endpoint     int // the endpoint where it first arrived
	data         [sha256.Size]byte
	altered      bool // attempts had different data
	misdelivered bool // also arrived at another endpoint
	first        time.Time
	requests     int
	successes    int // responses of 200 to 299
	failed       bool
}

// tally counts the events of one endpoint.
type tally struct {
	planned, accepted int
	requests          int
	delivered         int
	failing           int // failed at least once and not accepted yet
}

// response is a response of an endpoint.
type response struct {
	receiver.Arrival
	status int
	number int
}

func newLedger(endpoints int) *ledger {
	return &ledger{seen: map[string]*reception{}, tallies: make([]tally, endpoints)}
}

func (l *ledger) plan(events []plannedEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		l.tallies[e.endpoint].planned++
	}
}

func (l *ledger) accept(p publication) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted = append(l.accepted, p)
	l.tallies[p.endpoint].accepted++
}

// recordRequest records a request and returns the number of the attempt.
func (l *ledger) recordRequest(at int, a receiver.Arrival) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tallies[at].requests++
	if a.Verdict != receiver.Verified {
		l.unsigned++
		return 0
	}
	data := sha256.Sum256(a.Data)
	r := l.seen[a.ID]
	if r == nil {
		r = &reception{endpoint: at, data: data, first: a.At}
		l.seen[a.ID] = r
	}
	r.requests++
	r.altered = r.altered || r.data != data
	r.misdelivered = r.misdelivered || r.endpoint != at
	return r.requests
}

// recordResponse records the response to a request that arrived.
func (l *ledger) recordResponse(at int, a receiver.Arrival, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, t := l.seen[a.ID], &l.tallies[at]
	switch isSuccess := status >= 200 && status <= 299; {
	case isSuccess:
		if r.successes++; r.successes == 1 {
			t.delivered++
			if r.failed {
				t.failing--
			}
		}
	case !r.failed && r.successes == 0:
		r.failed = true
		t.failing++
	}
	if l.observe != nil {
		l.observe(at, response{Arrival: a, status: status, number: r.requests})
	}
}

func (l *ledger) recordRedirect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.redirected++
}

// progress returns a copy of the counts, and the sorted latencies of the timed webhooks.
func (l *ledger) progress(isTimed func(endpoint int) bool) ([]tally, []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var took []time.Duration
	for _, p := range l.accepted {
		if r := l.seen[p.receipt.EventID]; r != nil && isTimed(p.endpoint) {
			took = append(took, r.first.Sub(p.at))
		}
	}
	slices.Sort(took)
	return slices.Clone(l.tallies), took
}

// percentile returns the smallest duration that percent of the sorted durations do not exceed, or 0
// if there are none.
func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}
