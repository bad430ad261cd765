package chaos

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/webhook"
)

// The kinds of endpoint. The target of a subscription is the path of its kind.
const (
	steady = "steady" // accepts everything at once
	slow   = "slow"   // accepts everything after a while, so that some requests are always in flight
	flaky  = "flaky"  // fails the first attempt of some events
	doomed = "doomed" // accepts nothing
	narrow = "narrow" // accepts few requests at once, so that deliveries wait in the memory of workers
	busy   = "busy"   // accepts a number of requests per second, and asks for a pause of a second if it gets more
	paused = "paused" // accepts everything; its subscription is paused and resumed all the time
	member = "member" // accepts everything that is published to its tenant; a number follows
)

// How long a slow and a narrow endpoint take to respond, and how many requests narrow accepts at
// once from each worker.
const (
	slowness   = 300 * time.Millisecond
	narrowness = 200 * time.Millisecond
	narrowMost = 2
)

// receiver plays all endpoints of a load. It counts what arrives and what it accepts.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[arrived]sight
	done int // requests that narrow has accepted

	perSecond int   // requests that busy accepts in a second
	second    int64 // the current second
	inIt      int   // requests to busy in that second
	refused   int   // requests that busy has refused
}

// arrived names what arrives at an endpoint: an event of a subscription of that kind.
type arrived struct{ event, kind string }

// sight is what an endpoint knows about an event.
type sight struct {
	requests int
	taken    int       // requests with the response 200
	first    time.Time // when the first request arrived
}

func receive(t *testing.T, perSecond int) *receiver {
	r := &receiver{seen: map[arrived]sight{}, perSecond: perSecond}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	id, kind := request.Header.Get(webhook.HeaderID), request.URL.Path[1:]
	before := r.note(arrived{id, kind}, func(s *sight) {
		if s.requests++; s.requests == 1 {
			s.first = time.Now()
		}
	})
	if _, err := io.Copy(io.Discard, request.Body); err != nil {
		return // the sender has died
	}
	switch {
	case kind == doomed, kind == flaky && before.requests == 0 && isUnlucky(id):
		w.WriteHeader(http.StatusInternalServerError)
		return
	case kind == busy && !r.hasTime():
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case kind == slow && !lasts(request, slowness), kind == narrow && !lasts(request, narrowness):
		return
	}
	r.note(arrived{id, kind}, func(s *sight) { s.taken++ })
	if kind == narrow {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.done++
	}
}

// hasTime reports whether busy accepts another request in this second.
func (r *receiver) hasTime() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now().Unix(); now != r.second {
		r.second, r.inIt = now, 0
	}
	if r.inIt++; r.inIt > r.perSecond {
		r.refused++
		return false
	}
	return true
}

// passed is how many requests narrow has accepted.
func (r *receiver) passed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// lasts waits, and reports whether the sender of the request is still waiting.
func lasts(r *http.Request, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-r.Context().Done():
		return false
	}
}

// isUnlucky is true for about a quarter of all events.
func isUnlucky(id string) bool { return id != "" && id[len(id)-1] < '4' }

// note changes what is known about an event, and returns what was known before.
func (r *receiver) note(what arrived, change func(*sight)) sight {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.seen[what]
	after := before
	change(&after)
	r.seen[what] = after
	return before
}

func (r *receiver) of(event, kind string) sight {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[arrived{event, kind}]
}

// deliveries is the number of different events that arrived at the endpoints of these kinds.
func (r *receiver) deliveries(kinds []string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for what := range r.seen {
		if slices.Contains(kinds, what.kind) {
			n++
		}
	}
	return n
}
