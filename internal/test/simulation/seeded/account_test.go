package seeded

import (
	"context"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/dispatch"
	"github.com/hookferry/hookferry/internal/event"
)

const (
	// soonCalm is how long an event for a healthy endpoint may wait while only other endpoints
	// misbehave, and soonHealed how long after all other trouble.
	soonCalm   = 3 * time.Second
	soonHealed = 18 * time.Second
	// healing is how long it may take until everything is settled.
	healing = 6 * time.Minute
)

// waited checks how long an event waited for its first attempt.
func (w *world) waited(seen *watched) {
	if !w.endpoint(seen.d.SubscriptionID).quiet || w.healedAt.IsZero() && !w.calm {
		return
	}
	from, most := seen.since, soonCalm
	if !w.calm {
		most = soonHealed
		if from.Before(w.healedAt) {
			from = w.healedAt
		}
	}
	wait := seen.first.Sub(from)
	w.stats.longest = max(w.stats.longest, wait)
	w.demand(wait <= most, "%s waited %v for its first attempt", seen.name, wait)
}

// heal ends all trouble, and continues until everything is settled.
func (w *world) heal() {
	w.log("all is well again")
	w.healedAt, w.away = time.Now(), time.Time{}
	for _, n := range w.nodes {
		n.frozen = time.Time{}
	}
	for _, e := range w.endpoints {
		e.mood = "well"
	}
	if len(w.living("worker")) == 0 {
		w.startNode(false)
	}
	w.clear(len(w.endpoints))
	for w.wrong == "" && !w.ended() {
		for _, c := range w.callers {
			if !c.again.IsZero() && !c.again.After(time.Now()) {
				w.post(c)
			}
		}
		if len(w.stream) > 0 {
			w.offer()
		}
		w.step()
		w.demand(time.Since(w.healedAt) < healing, "something has not come to its end %v after the trouble", healing)
	}
}

// ended reports whether all work is done.
func (w *world) ended() bool {
	for _, seen := range w.watched {
		sub, owner := w.store.sub(seen.d.SubscriptionID), seen.d.LeaseOwner
		if seen.d.Status == event.Pending && (sub.Active && !sub.Paused() || owner != "" && owner != event.ParkedOwner) {
			return false
		}
	}
	for _, c := range w.calls() {
		if c.kind == "start" || c.kind == "request" || c.kind == "record" || c.kind == "release" {
			return false
		}
	}
	return !slices.ContainsFunc(w.callers, func(c *caller) bool { return !c.done && len(c.tries) > 0 })
}

// endAll checks that the nodes hold nothing any more, and stops them normally.
func (w *world) endAll() {
	for _, n := range w.living("worker") {
		w.idle(n)
	}
	for _, n := range w.living("") {
		n.stopping = true
	}
	for w.wrong == "" && slices.ContainsFunc(w.nodes, func(n *node) bool { return !n.dead }) {
		w.step()
		w.demand(time.Since(w.healedAt) < 2*healing, "a node does not stop")
	}
}

// idle checks that a node has its full capacity again once its lanes have discarded what waited for
// subscriptions that are no longer active. A deleted one may be held back a little longer.
func (w *world) idle(n *node) {
	for w.wrong == "" {
		has, fresh := w.room(n.d), w.room(dispatch.New(n.options()))
		if slices.Equal(has, fresh) && n.d.Capacity() == w.limits.InFlight {
			return
		}
		w.step()
		w.demand(time.Since(w.healedAt) < healing, "%s has room for %v and a new one for %v, and could start %d: slots were not given back", n.name, has, fresh, n.d.Capacity())
	}
}

// room returns how many deliveries of each endpoint a dispatcher would accept.
func (w *world) room(d *dispatch.Dispatcher) (of []int) {
	for _, e := range w.endpoints {
		sub, n := w.store.sub(e.id).Subscription, 0
		for _, ok := d.Reserve(context.Background(), sub, 10); ok; _, ok = d.Reserve(context.Background(), sub, 10) {
			n++
		}
		of = append(of, n)
	}
	for i, e := range w.endpoints {
		for range of[i] {
			d.Cancel(e.id, 10)
		}
	}
	return of
}

// leftNothing checks a node that has stopped normally: if none of its calls failed, it has ended
// all its leases.
func (w *world) leftNothing(n *node) {
	for _, seen := range w.watched {
		if nodeOf(seen.d) == n.name && seen.d.LeasedUntil.After(time.Now()) && !n.lame && n.d != nil {
			w.demand(false, "%s has stopped and left the lease of %s", n.name, seen.name)
		}
	}
}

// account checks the sums, that callers were told the truth, and that nothing was delivered twice
// without need.
func (w *world) account() {
	if w.wrong != "" {
		return
	}
	n, err := w.store.Count(w.t.Context())
	w.must(err)
	s := &w.stats
	s.delivered, s.failed, s.cancelled, s.pending = n[event.Delivered], n[event.Failed], n[event.Cancelled], n[event.Pending]
	w.demand(s.accepted == s.delivered+s.failed+s.cancelled+s.pending, "%d were accepted, the account has %v", s.accepted, n)
	for _, c := range w.callers {
		if c.news != nil {
			w.storedOnce(c)
		} else {
			w.told(c)
		}
	}
	events := map[event.ID]bool{}
	for i, seen := range w.watched {
		r := w.store.rows[i]
		w.demand(r.d.Attempts == len(r.attempts), "%s counts %d attempts, %d are on record", seen.name, r.d.Attempts, len(r.attempts))
		w.demand((r.d.Status != event.Delivered) || seen.successes > 0, "%s is delivered, and no request for it succeeded", seen.name)
		w.demand(seen.successes <= 1+seen.rescued+seen.d.Round, "%s was delivered %d times, %d of its leases ran out, and it was resent %d times", seen.name, seen.successes, seen.rescued, seen.d.Round)
		for _, q := range seen.requests {
			w.demand(q.n.lost || recorded(r, q), "%s: %s got %v, and it is not on record", seen.name, q.n.name, q.outcome)
		}
		s.duplicates += max(0, seen.successes-1)
		s.rescued += seen.rescued
		s.resends += seen.d.Round
		events[seen.d.EventID] = true
	}
	w.demand(len(w.store.events) == len(events)+w.bare, "%d events are stored, want %d with deliveries and %d without", len(w.store.events), len(events), w.bare)
}

func recorded(r *row, q request) bool {
	return slices.ContainsFunc(r.attempts, func(a event.Attempt) bool { return a.Outcome.StartedAt.Equal(kept(q.began)) })
}

// told checks what a caller was told, and that there is only one event under its key.
func (w *world) told(c *caller) {
	ids := map[event.ID]bool{}
	for _, tr := range c.tries {
		w.mu.Lock()
		if tr.ended && tr.err == nil && !tr.got.Filtered {
			ids[tr.got.Receipt.Deliveries[0]] = true
			w.demand(w.store.row(tr.got.Receipt.Deliveries[0]) != nil, "%s was told of a delivery that is not there: it is lost", c.name)
		}
		w.mu.Unlock()
	}
	stored := 0
	for _, seen := range w.watched {
		for i := range c.tries {
			if seen.name == c.name+"/"+string(rune('1'+i)) {
				stored++
			}
		}
	}
	w.demand(len(ids) <= 1 && (c.key == "" || stored <= 1), "%s: %d events were stored under one key, and %d told of", c.name, stored, len(ids))
}

// bury releases all calls that hang in dead nodes, so that the bubble can end.
func (w *world) bury() {
	w.mu.Lock()
	w.over = true
	for _, n := range w.nodes {
		n.dead = true
	}
	hanging := w.waiting
	w.waiting = nil
	w.mu.Unlock()
	for _, c := range hanging {
		c.answer <- cut
	}
	for _, n := range w.nodes {
		n.end()
	}
	for _, n := range w.nodes {
		<-n.ended
	}
}
