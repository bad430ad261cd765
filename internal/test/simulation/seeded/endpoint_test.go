package seeded

import (
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// endpoint is a subscription and the state of its endpoint.
type endpoint struct {
	name  string
	id    event.ID
	mood  string
	quiet bool // always healthy, and must never wait for the others
	most  int  // requests in flight from one node
	every time.Duration

	joined  bool // it was created during the run
	full    bool // it has too many pending deliveries for another published event
	wasFull bool // it is full, or was
}

var moods = []string{"well", "slow", "hangs", "fails", "is busy", "refuses", "blocked", "gone", "moody"}

const timeout = 10 * time.Second

// makeEndpoints creates the subscriptions of a run: one that must not suffer, and some that do.
func (w *world) makeEndpoints() {
	others := 2 + w.dice.IntN(3)
	if w.siege {
		others = 2 + w.dice.IntN(2) // as many as a node promises to tolerate
	}
	for i := range 1 + others {
		e := &endpoint{name: fmt.Sprintf("s%d", i), id: w.newID(), mood: "well", quiet: i == 0, most: w.limits.LaneInFlight}
		sub := event.Subscription{ID: e.id, TargetURL: "https://example.com/" + e.name, Active: true, CreatedAt: time.Now(), UpdatedAt: time.Now()}
		if i > 0 && w.chance(0.7) {
			sub.Tenant = one(w, tenants)
			w.wish(&sub)
		}
		if i > 0 && !w.siege {
			switch w.dice.IntN(4) {
			case 0:
				sub.MaxInFlight = 1 + w.dice.IntN(2)
				e.most = sub.MaxInFlight
			case 1:
				sub.RatePerSecond = 1.7 + 5*w.dice.Float64()
				e.every = time.Duration(float64(time.Second) / sub.RatePerSecond)
			case 2:
				sub.RetrySchedule = event.RetryPolicy{}
				for range w.dice.IntN(4) {
					sub.RetrySchedule = append(sub.RetrySchedule, w.between(300*time.Millisecond, 5*time.Second))
				}
			}
		}
		if i > 0 && w.siege {
			e.mood = "hangs"
		}
		w.endpoints = append(w.endpoints, e)
		w.must(w.store.CreateSubscription(w.t.Context(), sub))
	}
}

func (w *world) endpoint(id event.ID) *endpoint {
	for _, e := range w.endpoints {
		if e.id == id {
			return e
		}
	}
	return nil
}

// visit decides the response to a request, and its time.
func (w *world) visit(c *call) {
	mood := w.endpoint(c.sub.ID).mood
	if mood == "moody" {
		mood = moods[w.dice.IntN(6)]
	}
	takes := w.between(time.Millisecond, 60*time.Millisecond)
	o := event.Outcome{StatusCode: 200, Peer: "203.0.113.7:443"}
	switch mood {
	case "slow":
		takes = w.between(time.Second, 4*time.Second)
	case "hangs":
		takes, o = timeout, event.Outcome{Code: event.CodeTimeout, Error: "no answer"}
	case "fails":
		o.StatusCode, o.Code, o.Error = 500, event.CodeStatus, "500"
	case "is busy":
		o.StatusCode, o.Code, o.Error, o.RetryAfter = 429, event.CodeStatus, "429", w.between(0, 6*time.Second)
	case "refuses":
		o = event.Outcome{Code: event.CodeConnectionRefused, Error: "nothing listens"}
	case "blocked":
		o = event.Outcome{Code: event.CodeBlocked, Error: "not a public address"}
	case "gone":
		o.StatusCode, o.Code, o.Error = 410, event.CodeGone, "410"
	}
	if o.StatusCode != 0 && w.chance(0.04) {
		o.Response = []byte(poison)
	}
	c.outcome, c.ready = o, c.since.Add(takes)
}
