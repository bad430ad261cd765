package chaos

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/webhook"
)

// The kinds of endpoint. A subscription's target is its kind's path.
const (
	steady = "steady" // takes everything at once
	slow   = "slow"   // takes everything, after a while, so that some is always under way
	flaky  = "flaky"  // fails the first attempt of some events
	doomed = "doomed" // takes nothing
	narrow = "narrow" // takes few at once, so that others wait in the memory of workers
	busy   = "busy"   // takes so many in a second, and asks for a second without requests when more come
	paused = "paused" // takes everything; its subscription is paused and resumed all the time
)

// How long a slow endpoint takes, and a narrow one, and how many that takes at once from
// each worker.
const (
	slowness   = 300 * time.Millisecond
	narrowness = 200 * time.Millisecond
	narrowMost = 2
)

// receiver is all endpoints of a load. It counts what comes and what it takes.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]sight // by event
	done int              // requests that narrow has taken

	perSecond int   // how many requests busy takes in a second
	second    int64 // the present one
	inIt      int   // requests to busy in it
	refused   int   // requests that busy has refused
}

// sight is what an endpoint knows of an event.
type sight struct {
	requests int
	taken    int       // of those, how many were answered with 200
	first    time.Time // when the first request came
}

func receive(t *testing.T, perSecond int) *receiver {
	r := &receiver{seen: map[string]sight{}, perSecond: perSecond}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	id := request.Header.Get(webhook.HeaderID)
	before := r.note(id, func(s *sight) {
		if s.requests++; s.requests == 1 {
			s.first = time.Now()
		}
	})
	if _, err := io.Copy(io.Discard, request.Body); err != nil {
		return // who sent it has died
	}
	switch kind := request.URL.Path[1:]; {
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
	r.note(id, func(s *sight) { s.taken++ })
	if request.URL.Path[1:] == narrow {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.done++
	}
}

// hasTime reports whether busy takes one more request in this second.
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

// passed is how many requests narrow has taken.
func (r *receiver) passed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// lasts takes its time, and reports whether who sent the request still waits.
func lasts(r *http.Request, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-r.Context().Done():
		return false
	}
}

// isUnlucky is true of about a quarter of all events.
func isUnlucky(id string) bool { return id != "" && id[len(id)-1] < '4' }

// note changes what is known of an event, and returns what was known before.
func (r *receiver) note(id string, change func(*sight)) sight {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.seen[id]
	after := before
	change(&after)
	r.seen[id] = after
	return before
}

func (r *receiver) of(id string) sight {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[id]
}

// events is how many different events have come.
func (r *receiver) events() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}
