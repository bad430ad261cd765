package seeded

import (
	"slices"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// watched is what the world has seen of one delivery: what the store said after the last step, and
// what happened outside.
type watched struct {
	name      string
	d         event.Delivery
	recorded  int // recorded attempts
	since     time.Time
	first     time.Time // when its first attempt began; zero before that
	rescued   int       // leases of it that ran out
	successes int       // requests that succeeded, to the knowledge of a node
	owners    []string  // of its leases
	requests  []request
}

// nodeOf returns the node of a delivery's lease: the owner of a claim is the node's name and a
// number.
func nodeOf(d event.Delivery) string {
	name, _, _ := strings.Cut(d.LeaseOwner, "/")
	return name
}

// request is a request that an endpoint got.
type request struct {
	n            *node
	claimed      event.Delivery // as its node started it
	began, ended time.Time
	outcome      event.Outcome
}

// look compares the store with its state before the step, and checks that only what this step may
// change has changed.
func (w *world) look(step *call) {
	kind, by := "nothing", "no node"
	if step != nil {
		kind, by = step.kind, step.node.name
	}
	for i, r := range w.store.rows {
		if i == len(w.watched) {
			w.watched = append(w.watched, &watched{name: w.nameOf(r.d.ID), d: r.d, since: time.Now(), owners: []string{r.d.LeaseOwner}})
			w.log("  %s is stored, owner %q", w.nameOf(r.d.ID), r.d.LeaseOwner)
			w.demand(kind == "accept", "%s was stored by %s", r.d.ID, kind)
			w.stats.accepted++
			continue
		}
		seen := w.watched[i]
		if seen.d != r.d {
			w.log("  %s: %v %d/%d %q → %v %d/%d %q", seen.name, seen.d.Status, seen.d.Round, seen.d.Attempts, seen.d.LeaseOwner,
				r.d.Status, r.d.Round, r.d.Attempts, r.d.LeaseOwner)
			w.moved(seen, r, kind)
			w.leased(seen, r, kind, by)
			if kind == "release" && seen.d.LeaseOwner != r.d.LeaseOwner {
				w.demand(slices.Contains(step.leases, seen.d.LeaseKey()), "%s: %s released %s's lease", seen.name, by, seen.d.LeaseOwner)
			}
		}
		seen.d, seen.recorded = r.d, len(r.attempts)
	}
	w.lookAtEvents()
}

// moved checks that a delivery changed only as allowed, and that each attempt counts once.
func (w *world) moved(seen *watched, r *row, kind string) {
	before, now := seen.d, r.d
	w.demand(now.Status == event.Pending || now.LeaseOwner == "", "%s is %v and leased", seen.name, now.Status)
	w.demand(before.Status == now.Status || mayMove(before.Status, now.Status, kind), "%s was %v and is %v by %s", seen.name, before.Status, now.Status, kind)
	w.demand(now.Attempts == len(r.attempts), "%s counts %d attempts, %d are on record", seen.name, now.Attempts, len(r.attempts))
	if kind == "resend" {
		w.demand(now.Round == before.Round+1 && now.RoundFrom == now.Attempts, "%s is in round %d from %d after a resend in round %d", seen.name, now.Round, now.RoundFrom, before.Round)
		return
	}
	w.demand(now.Round == before.Round, "%s changed its round by %s", seen.name, kind)
	if before.Attempts == now.Attempts {
		w.demand(before.DueAt.Equal(now.DueAt) || now.Status != event.Pending, "%s is due at another time without an attempt", seen.name)
		return
	}
	w.demand(kind == "record", "%s had %d attempts and has %d by %s", seen.name, before.Attempts, now.Attempts, kind)
	if now.Attempts == before.Attempts+1 {
		w.settled(seen, now, r.attempts[len(r.attempts)-1])
	}
}

// mayMove reports whether a step may change a status in this way.
func mayMove(from, to event.Status, kind string) bool {
	switch to {
	case event.Pending:
		return kind == "resend"
	case event.Cancelled:
		return from == event.Pending && (kind == "delete" || kind == "cancel")
	case event.Failed:
		return from == event.Pending && kind == "record"
	}
	return kind == "record"
}

// settled compares the effect of an attempt on a delivery with the request that the endpoint saw.
// It states the rules differently from event.Settle and event.Apply.
func (w *world) settled(seen *watched, now event.Delivery, a event.Attempt) {
	i := slices.IndexFunc(seen.requests, func(r request) bool { return kept(r.began).Equal(a.Outcome.StartedAt) })
	if i < 0 {
		w.demand(false, "%s: an attempt is on record that no endpoint saw", seen.name)
		return
	}
	w.demand(a.Number == now.Attempts, "%s: attempt %d has the number %d", seen.name, now.Attempts, a.Number)
	r, before := seen.requests[i], seen.d
	if before.Status != event.Pending || !sameStep(before, r.claimed) {
		w.strayed(seen, now, r)
		return
	}
	if r.outcome.Refused() {
		w.demand(now.RoundFrom == before.RoundFrom+1 && now.Stray == before.Stray && now.Status == event.Pending && now.DueAt.Equal(before.DueAt),
			"%s: attempt %d was refused and made of %+v %+v", seen.name, now.Attempts, before, now)
		return
	}
	w.demand(now.RoundFrom == before.RoundFrom && now.Stray == before.Stray, "%s: attempt %d is no stray and counts as one", seen.name, now.Attempts)
	p := w.store.sub(now.SubscriptionID).Policy(policy)
	step := now.Attempts - now.RoundFrom
	want := event.Pending
	switch o := r.outcome; {
	case o.Code == "":
		want = event.Delivered
	case o.Code == event.CodeGone || o.Code == event.CodeBlocked || step > len(p):
		want = event.Failed
	}
	w.demand(now.Status == want, "%s is %v after attempt %d got %v, want %v", seen.name, now.Status, now.Attempts, r.outcome, want)
	if now.Status != event.Pending || want != event.Pending {
		return
	}
	delay := p[step-1]
	least, most := delay*9/10, delay*11/10
	wait := now.DueAt.Sub(r.ended)
	w.demand(wait >= least-time.Microsecond && wait <= most, "%s is due %v after attempt %d, want %v to %v", seen.name, wait, now.Attempts, least, most)
}

// sameStep reports whether a delivery is where it was when it was claimed.
func sameStep(now, claimed event.Delivery) bool {
	return now.Round == claimed.Round && now.Attempts-now.Stray == claimed.Attempts-claimed.Stray
}

// strayed checks the effect of an attempt whose delivery has moved on: it may deliver it, or do
// nothing.
func (w *world) strayed(seen *watched, now event.Delivery, r request) {
	w.stats.strays++
	want := seen.d
	want.Attempts, want.RoundFrom, want.Stray = want.Attempts+1, want.RoundFrom+1, want.Stray+1
	if r.outcome.Success() && want.Status != event.Delivered {
		w.demand(now.Status == event.Delivered && !now.DeliveredAt.IsZero(), "%s is %v after a late success", seen.name, now.Status)
		want.Status, want.SettledAt, want.DeliveredAt = now.Status, now.SettledAt, now.DeliveredAt
		want.LeaseOwner, want.LeasedUntil = "", time.Time{}
	}
	w.demand(now == want, "%s: a stray attempt made %+v of %+v", seen.name, now, seen.d)
}

// leased checks that a lease begins only where there is none, and ends only as allowed.
func (w *world) leased(seen *watched, r *row, kind, by string) {
	before, now := seen.d, r.d
	switch {
	case before.LeaseOwner == now.LeaseOwner && before.LeasedUntil.Equal(now.LeasedUntil):
	case now.LeaseOwner == event.ParkedOwner:
		sub := w.store.sub(now.SubscriptionID)
		w.demand(kind == "claim" && before.LeaseOwner == "", "%s was parked by %s, with the lease of %q", seen.name, kind, before.LeaseOwner)
		waits := !sub.Active || sub.Paused() || !sub.Health.NotBefore.IsZero() // the claim may come late
		w.demand(waits && !now.DueAt.After(time.Now()), "%s was parked and need not wait", seen.name)
	case before.LeaseOwner == event.ParkedOwner:
		w.demand(now.LeaseOwner == "" && slices.Contains([]string{"unpark", "change", "record", "delete", "cancel"}, kind), "%s was parked and has the lease of %q by %s", seen.name, now.LeaseOwner, kind)
	case before.LeaseOwner == "":
		sub := w.store.sub(now.SubscriptionID)
		w.demand(kind == "claim" && nodeOf(now) == by, "%s is leased to %q by %s of %s", seen.name, now.LeaseOwner, kind, by)
		w.demand(!slices.Contains(seen.owners, now.LeaseOwner), "%s has a second lease of %q", seen.name, now.LeaseOwner)
		seen.owners = append(seen.owners, now.LeaseOwner)
		w.demand(sub.Active && !sub.Deleted() && !sub.Paused(), "%s was claimed for a subscription that is not active", seen.name)
		w.demand(!sub.Health.NotBefore.After(time.Now()), "%s was claimed while its endpoint asks for no requests", seen.name)
		w.demand(!before.DueAt.After(time.Now()), "%s was claimed before it is due", seen.name)
	case before.LeaseOwner == now.LeaseOwner:
		w.demand(kind == "renew", "%s is claimed a second time by its owner (%s)", seen.name, kind)
	case now.LeaseOwner != "":
		w.demand(false, "%s is claimed by two at once: %s had it, %s has it", seen.name, before.LeaseOwner, now.LeaseOwner)
	case kind == "rescue":
		seen.rescued++
		w.demand(before.LeasedUntil.Before(time.Now()), "%s was taken from %s, whose lease had not ended", seen.name, before.LeaseOwner)
	default:
		w.demand(slices.Contains([]string{"release", "record", "delete", "cancel"}, kind), "%s: its lease ended by %s", seen.name, kind)
	}
}

// arrive checks a new call before it continues.
func (w *world) arrive(c *call) {
	c.arrived = true
	switch c.kind {
	case "start":
		w.started(c)
	case "request":
		w.stats.requests++
		for w.isTwin(c) {
			c.since = c.since.Add(time.Microsecond)
		}
		w.visit(c)
		w.requested(c)
	}
}

// isTwin reports whether a request to the same delivery began at the same moment, which is what
// distinguishes requests and recorded attempts.
func (w *world) isTwin(c *call) bool {
	seen := w.find(c.toDelivery)
	return slices.ContainsFunc(w.calls(), func(other *call) bool {
		return other != c && other.kind == "request" && other.arrived && other.event == c.event && other.sub.ID == c.sub.ID && kept(other.since).Equal(kept(c.since))
	}) || seen != nil && slices.ContainsFunc(seen.requests, func(r request) bool { return kept(r.began).Equal(kept(c.since)) })
}

// started checks the rate of a node that applies it alone. (If other nodes share it, they are
// invented here, and don't know what they let through before.)
func (w *world) started(c *call) {
	e := w.endpoint(c.delivery.SubscriptionID)
	last := w.lastStart[c.node.name+e.name]
	w.lastStart[c.node.name+e.name] = c.since
	w.demand(w.paced || last.IsZero() || c.since.Sub(last) >= e.every, "%s: %s was started %v after another, at one in %v", c.name(), e.name, c.since.Sub(last), e.every)
}

func (w *world) find(is func(d event.Delivery) bool) *watched {
	for _, seen := range w.watched {
		if is(seen.d) {
			return seen
		}
	}
	return nil
}

// requested checks that its node may make an attempt.
func (w *world) requested(c *call) {
	seen := w.find(c.toDelivery)
	if seen == nil {
		w.demand(false, "%s: an attempt at an event that is not stored", c.name())
		return
	}
	c.claimed = w.begun[c.node.name+c.of].delivery
	if seen.first.IsZero() {
		seen.first = c.since
		w.waited(seen)
	}
	e := w.endpoint(c.sub.ID)
	lane, all := 0, 0
	for _, other := range w.calls() {
		if other.kind == "request" && other.node == c.node {
			if all++; other.sub.ID == c.sub.ID {
				lane++
			}
		}
	}
	w.demand(lane <= e.most && all <= w.limits.InFlight, "%s: %d requests are under way there, of at most %d, and %d at the node", c.name(), lane, e.most, all)
	began := w.begun[c.node.name+c.of]
	sub := w.store.sub(c.sub.ID)
	if began.read != outdated {
		w.demand(sub.Active && !sub.Deleted() && !sub.Paused(), "%s: an attempt for a subscription that is not active, or no more", c.name())
		w.demand(!sub.Health.NotBefore.After(c.since), "%s: an attempt while its endpoint asks for no requests", c.name())
	}
	w.demand(!c.node.asked[e].After(c.since), "%s: an attempt %v before the time that the endpoint told this node", c.name(), c.node.asked[e].Sub(c.since))
	if d := seen.d; d.Status == event.Pending && sameStep(d, began.delivery) {
		mine := d.LeaseOwner == began.delivery.LeaseOwner && time.Now().Before(d.LeasedUntil.Add(time.Microsecond))
		w.demand(mine, "%s: an attempt while the lease is %q's until %v", c.name(), d.LeaseOwner, d.LeasedUntil.Sub(w.began))
		w.demand(!d.DueAt.After(c.since), "%s: an attempt %v before it is due", c.name(), d.DueAt.Sub(c.since))
	} else {
		w.stats.overtaken++
	}
}
