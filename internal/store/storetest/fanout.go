package storetest

import (
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var fanoutCases = []testCase{
	{"an event may have no delivery", acceptNone},
	{"an event's deliveries are independent", acceptSeveral},
	{"an event for many subscriptions is stored completely", acceptMany},
	{"an event is not stored at all if one subscription is deleted", acceptGone},
	{"a second delivery of an event to one subscription is an error", acceptTwice},
	{"an idempotency key needs exactly one delivery", keyForSeveral},
	{"an event is kept as long as one of its deliveries", expireLast},
	{"an event without deliveries expires by its own age", expireNone},
	{"events of different sizes share a commit", acceptMixed},
}

// fan returns an offer to all the subscriptions.
func (r rig) fan(subscriptions []event.ID, edits ...func(*event.Acceptance)) event.Acceptance {
	a := r.offer(event.ID{})
	d := a.Deliveries[0]
	a.Deliveries = nil
	for _, s := range subscriptions {
		d.ID, d.SubscriptionID = event.DeliveryID(a.Event.ID, s), s
		a.Deliveries = append(a.Deliveries, d)
	}
	for _, edit := range edits {
		edit(&a)
	}
	return a
}

func (r rig) acceptOffer(a event.Acceptance) {
	r.t.Helper()
	receipt, err := r.s.Accept(r.t.Context(), a)
	r.must("accept an event", err)
	same(r.t, "receipt", receipt, a.Receipt())
}

// sound checks that an audit finds nothing.
func (r rig) sound() {
	r.t.Helper()
	same(r.t, "findings", r.audit(r.now), []event.Finding(nil))
}

func acceptNone(r rig) {
	r.subscribe()
	r.acceptOffer(r.fan(nil))
	r.counted(nil)
	same(r.t, "claim", r.claim(), event.Claim{})
	r.sound()
}

func acceptSeveral(r rig) {
	subs := r.subscriptions(5)
	a := r.fan(subs)
	a.Deliveries[1].LeaseOwner, a.Deliveries[1].LeasedUntil = "node-b", r.now.Add(time.Minute)
	a.Deliveries[2].DueAt = r.now.Add(time.Hour)
	r.acceptOffer(a)
	for _, d := range a.Deliveries {
		same(r.t, "report", r.delivery(d.ID), event.DeliveryReport{Delivery: d, EventType: a.Event.Type})
	}
	r.counted(map[event.Status]int{event.Pending: 5})
	r.sound()

	r.record(settle(a.Deliveries[1], r.tick(), success()))
	claimed := r.claim().Deliveries
	if len(claimed) != 3 {
		r.t.Fatalf("claimed %d deliveries, want the 3 that are due", len(claimed))
	}
	for i, c := range claimed {
		same(r.t, "event of a claimed delivery", c.Event, a.Event)
		r.record(settle(c.Delivery, r.tick(), []event.Outcome{success(), {Code: event.CodeBlocked, Error: "no"}, failure()}[i]))
	}
	r.delete(subs[2])
	r.counted(map[event.Status]int{event.Delivered: 2, event.Failed: 1, event.Pending: 1, event.Cancelled: 1})
	r.sound()
}

func acceptMany(r rig) {
	const n = 1100 // more than drivers put into one commit
	subs := r.subscriptions(n)
	r.acceptOffer(r.fan(subs))
	r.counted(map[event.Status]int{event.Pending: n})
	seen := map[event.ID]bool{}
	for range n {
		c := r.claim()
		if len(c.Deliveries) == 0 {
			break
		}
		for _, one := range c.Deliveries {
			seen[one.Delivery.SubscriptionID] = true
		}
	}
	if len(seen) != n {
		r.t.Errorf("claimed for %d subscriptions, want %d", len(seen), n)
	}
	r.sound()
}

func acceptGone(r rig) {
	subs := r.subscriptions(3)
	r.delete(subs[1])
	for _, to := range [][]event.ID{subs, subs[1:], {subs[0], event.NewID(r.now)}, {event.NewID(r.now)}} {
		for _, edit := range []func(*event.Acceptance){func(*event.Acceptance) {}, leased("node-a", r.now.Add(time.Minute))} {
			a := r.fan(to, edit)
			_, err := r.s.Accept(r.t.Context(), a)
			r.mustFail("accept an event for a subscription that is gone", err, event.ErrNotFound)
			for _, d := range a.Deliveries {
				_, err := r.s.Delivery(r.t.Context(), d.ID)
				r.mustFail("read a delivery that was not stored", err, event.ErrNotFound)
			}
		}
	}
	r.counted(nil)
	r.sound()
}

func acceptTwice(r rig) {
	subs := r.subscriptions(2)
	first := r.fan(subs)
	r.acceptOffer(first)
	for _, other := range []event.Acceptance{r.fan(subs), r.fan(subs[:1])} {
		other.Deliveries[0].ID = first.Deliveries[0].ID
		if _, err := r.s.Accept(r.t.Context(), other); err == nil {
			r.t.Error("a second delivery with the same id was no error")
		}
	}
	same(r.t, "delivery", r.delivery(first.Deliveries[0].ID).Delivery, first.Deliveries[0])
	r.counted(map[event.Status]int{event.Pending: 2})
	r.sound()
}

func keyForSeveral(r rig) {
	for _, subs := range [][]event.ID{nil, r.subscriptions(2)} {
		if _, err := r.s.Accept(r.t.Context(), r.fan(subs, key("key-1", 1))); err == nil {
			r.t.Errorf("an event with %d deliveries was stored under a key", len(subs))
		}
	}
	r.counted(nil)
}

func expireLast(r rig) {
	subs := r.subscriptions(3)
	a := r.fan(subs)
	r.acceptOffer(a)
	claimed := r.claim().Deliveries
	r.record(
		settle(claimed[0].Delivery, r.now.Add(8*day), success()),
		settle(claimed[1].Delivery, r.now.Add(9*day), success()),
		settle(claimed[2].Delivery, r.now.Add(10*day), failure()),
	)
	if n := r.expire(10, 100); n != 2 {
		r.t.Errorf("expired %d deliveries, want the 2 that settled", n)
	}
	r.gone("the delivered one", claimed[0].Delivery.ID)
	left := r.claim(asOf(r.now.Add(11 * day))).Deliveries
	if len(left) != 1 {
		r.t.Fatalf("claimed %d deliveries, want the one that is left", len(left))
	}
	same(r.t, "event of the one that is left", left[0].Event, a.Event)
	findings, err := r.s.Audit(r.t.Context(), r.now, r.now.Add(10*day))
	r.must("audit", err)
	same(r.t, "findings", findings, []event.Finding(nil))
	r.record(settle(left[0].Delivery, r.now.Add(11*day), success()))
	if n := r.expire(12, 100); n != 1 {
		r.t.Errorf("expired %d deliveries, want the last", n)
	}
	r.sound()
}

func expireNone(r rig) {
	s := r.subscribe()
	for range 5 {
		r.acceptOffer(r.fan(nil))
	}
	pending := r.accept(s.ID)
	if n := r.expire(-1, 100); n != 0 {
		r.t.Errorf("expired %d events that are not old", n)
	}
	if n := r.expire(10, 2); n != 5 {
		r.t.Errorf("expired %d events without deliveries, want 5", n)
	}
	same(r.t, "event of the pending delivery", r.claim().Deliveries[0].Event, pending.Event)
	r.sound()
}

func acceptMixed(r rig) {
	subs := r.subscriptions(7)
	var offers []event.Acceptance
	want := 0
	for i := range 60 {
		offers = append(offers, r.fan(subs[:i%8%len(subs)]))
		want += i % 8 % len(subs)
	}
	r.acceptAll(offers)
	r.counted(map[event.Status]int{event.Pending: want})
	for _, a := range offers {
		for _, d := range a.Deliveries {
			same(r.t, fmt.Sprintf("delivery %s", d.ID), r.delivery(d.ID).Delivery, d)
		}
	}
	r.sound()
}
