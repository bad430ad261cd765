package simulation

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/dispatch"
	"github.com/hookferry/hookferry/internal/event"
)

var policy = event.RetryPolicy{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute}

// endpoint is one subscription of the day.
type endpoint struct {
	why    string
	script script
	edit   func(*event.Subscription)
	asks   time.Duration // Retry-After of its 429s
	late   time.Duration // how much later than its schedule a retry may start, because of its own lane
	ends   map[event.Status]bool
	tries  int // number of attempts of each delivery that was settled by them; 0: it varies
}

func endpoints(began time.Time) []endpoint {
	atOnce := func(o event.Outcome) script { return after(0, o) }
	downAtSix := func(o event.Outcome) script {
		return func(int, event.Event) (time.Duration, event.Outcome) {
			if at := time.Since(began); at > 6*hour && at < 9*hour {
				return 0, o
			}
			return 0, ok()
		}
	}
	return []endpoint{
		{why: "is well", script: after(30*time.Millisecond, ok()), ends: delivered, tries: 1, late: 30 * time.Millisecond},                // eight at first
		{why: "fails twice", script: first(2, time.Second, status(500)), ends: delivered, tries: 3, late: 20 * time.Second},               // one at a time, once it fails
		{why: "never responds", script: after(10*time.Second, noResponse()), ends: failed, tries: len(policy) + 1, late: 2 * time.Minute}, // one at a time
		{why: "asks to wait for two minutes at each full hour", script: func(int, event.Event) (time.Duration, event.Outcome) {
			if time.Since(began)%hour < time.Minute {
				return 0, wait(2 * time.Minute)
			}
			return 0, ok()
		}, ends: delivered, asks: 2 * time.Minute, late: 2*time.Minute + 5*time.Second}, // deliveries that wait only for that time are late, and come after the first success
		{why: "is down for three hours, with a long schedule", script: downAtSix(status(503)), edit: patient, ends: delivered},
		{why: "is down for three hours", script: downAtSix(status(502)), ends: either},
		{
			why: "is slow, one request at a time", script: after(9*time.Second, ok()), ends: delivered, tries: 1, late: time.Hour,
			edit: func(s *event.Subscription) { s.MaxInFlight = 1 },
		},
		{
			why: "accepts one request a minute", script: atOnce(ok()), ends: delivered, tries: 1, late: time.Hour,
			edit: func(s *event.Subscription) { s.RatePerSecond = 1.0 / 60 },
		},
		{
			why: "has no retries", script: atOnce(status(500)), ends: failed, tries: 1,
			edit: func(s *event.Subscription) { s.RetrySchedule = event.RetryPolicy{} },
		},
		{why: "is gone at noon", ends: either, tries: 1, script: func(int, event.Event) (time.Duration, event.Outcome) {
			if time.Since(began) >= 12*hour {
				return 0, status(410)
			}
			return 0, ok()
		}},
		{why: "is deleted in the evening", script: atOnce(status(500)), edit: patient, ends: map[event.Status]bool{event.Cancelled: true, event.Failed: true}},
	}
}

var (
	delivered = map[event.Status]bool{event.Delivered: true}
	failed    = map[event.Status]bool{event.Failed: true}
	either    = map[event.Status]bool{event.Delivered: true, event.Failed: true}
)

func patient(s *event.Subscription) {
	s.RetrySchedule = event.RetryPolicy{hour / 60, hour / 6, hour, 6 * hour}
}

// after is an endpoint that always gives the same response.
func after(takes time.Duration, o event.Outcome) script {
	return func(int, event.Event) (time.Duration, event.Outcome) { return takes, o }
}

// first is an endpoint that gives this response to the first requests for an event, and accepts the
// next.
func first(n int, takes time.Duration, o event.Outcome) script {
	return func(i int, _ event.Event) (time.Duration, event.Outcome) {
		if i <= n {
			return takes, o
		}
		return takes, ok()
	}
}

func wait(d time.Duration) event.Outcome {
	o := status(429)
	o.RetryAfter = d
	return o
}

// TestDay publishes to endpoints of every kind for a day, lets the retries of the last events run
// out, and compares the results.
func TestDay(t *testing.T) {
	bubble(t, func(w *world) {
		began := time.Now()
		p := w.start(newGate(0, false), dispatch.Options{
			Policy: policy, Lease: 15 * time.Second, Grace: 30 * time.Second,
			Limits: dispatch.Limits{InFlight: 64, LaneInFlight: 16, LaneDepth: 8, Buffered: 200, BufferedBytes: 1 << 20},
		})
		list := endpoints(began)
		subs := make([]event.Subscription, len(list))
		for i, e := range list {
			subs[i] = w.subscribe(p.store, e.script, e.edits()...)
		}
		posted := make([][]event.ID, len(list))
		accepted := 0
		for h := range 24 {
			for i := range list {
				for range 1 + 11*((h+i)%12/11) { // one per hour, and sometimes a dozen, which is more than a lane holds
					got, err := p.post(subs[i].ID, "")
					refused := i == 9 && h >= 13 && errors.Is(err, event.ErrInactive) || i == 10 && h >= 19 && errors.Is(err, event.ErrNotFound)
					if err != nil && !refused {
						w.t.Fatalf("hour %d, the one that %s: %v", h, list[i].why, err)
					}
					if err == nil {
						posted[i] = append(posted[i], got.Receipt.Deliveries[0])
						accepted++
					}
				}
			}
			time.Sleep(hour / 2)
			if h == 18 {
				w.must(p.store.DeleteSubscription(w.t.Context(), subs[10].ID, time.Now(), 0))
			}
			time.Sleep(hour / 2)
		}
		time.Sleep(9 * hour)
		synctest.Wait()
		for i, e := range list {
			for _, id := range posted[i] {
				w.judge(e, subs[i].Policy(policy), w.report(p.store, id))
			}
		}
		n := w.account(p.store, accepted)
		if n[event.Pending] != 0 || n[event.Cancelled] == 0 || n[event.Failed] == 0 || n[event.Delivered] < 200 {
			w.t.Errorf("the account at the end: %v", n)
		}
		p.stop()
	})
}

func (e endpoint) edits() []func(*event.Subscription) {
	if e.edit == nil {
		return nil
	}
	return []func(*event.Subscription){e.edit}
}

// judge checks a settled delivery of the day.
func (w *world) judge(e endpoint, p event.RetryPolicy, r event.DeliveryReport) {
	w.t.Helper()
	d := r.Delivery
	settled := map[event.Status]int{event.Delivered: 1}
	if !e.ends[d.Status] || successes(r) != settled[d.Status] {
		w.t.Errorf("the one that %s: a delivery is %v with %d successful attempts of %d", e.why, d.Status, successes(r), len(r.Attempts))
	}
	if e.tries > 0 && len(r.Attempts) != e.tries || len(r.Attempts) != d.Attempts {
		w.t.Errorf("the one that %s: %d attempts are recorded, %d counted, want %d", e.why, len(r.Attempts), d.Attempts, e.tries)
	}
	if got := w.arrivals(d.ID); len(got) != len(r.Attempts) {
		w.t.Errorf("the one that %s: %d requests arrived, but %d attempts are recorded", e.why, len(got), len(r.Attempts))
	}
	due, step := d.CreatedAt, 0
	least, most := time.Duration(0), time.Duration(0)
	for i, a := range r.Attempts {
		if wait := a.Outcome.StartedAt.Sub(due); wait < least || wait > most+e.late {
			w.t.Errorf("the one that %s: attempt %d came after %v, want %v to %v", e.why, i+1, wait, least, most+e.late)
		}
		if a.Number != i+1 {
			w.t.Errorf("the one that %s: attempt %d has the number %d", e.why, i+1, a.Number)
		}
		due = a.Outcome.StartedAt.Add(a.Outcome.Duration)
		if a.Outcome.StatusCode == 429 { // not a step of the schedule
			least, most = e.asks-time.Microsecond, e.asks+time.Second
		} else if step < len(p) {
			least, most = p[step]-p[step]/10-time.Microsecond, p[step]+p[step]/10
			step++
		}
	}
}
