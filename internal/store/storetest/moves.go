package storetest

import (
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var moveCases = []testCase{
	{"a resend starts the retry schedule again", resendFailed},
	{"a resend of a delivered delivery needs force", resendDelivered},
	{"a resend of a pending delivery is refused", resendPending},
	{"a resend needs an active subscription", resendInactive},
	{"a cancelled delivery is not attempted again", cancelPending},
	{"cancelling a settled delivery changes nothing", cancelSettled},
	{"an attempt under way, a cancel and a resend, settled in either order", moveOrders},
	{"a delivery that does not exist is not found", moveUnknown},
	{"a resent delivery expires by its new settlement", resendExpires},
}

func (r rig) resend(id event.ID, at time.Time, force bool) event.Delivery {
	r.t.Helper()
	d, err := r.s.Resend(r.t.Context(), id, at, force)
	r.must("resend", err)
	same(r.t, "delivery after a resend", r.delivery(id).Delivery, d)
	return d
}

func (r rig) cancel(id event.ID, at time.Time) event.Delivery {
	r.t.Helper()
	d, err := r.s.Cancel(r.t.Context(), id, at)
	r.must("cancel", err)
	sameDelivery(r.t, r.delivery(id).Delivery, d)
	return d
}

// failed accepts a delivery and records failures until no attempts are left.
func (r rig) failed(subscription event.ID) event.Delivery {
	r.t.Helper()
	r.accept(subscription)
	now := r.now
	for {
		s := settle(r.claimOne(asOf(now)), r.tick(), failure())
		r.record(s)
		if s.Delivery.Status != event.Pending {
			return s.Delivery
		}
		now = s.Delivery.DueAt
	}
}

func resendFailed(r rig) {
	d := r.failed(r.subscribe().ID)
	at := r.tick()
	want := d
	want.Status, want.DueAt, want.SettledAt = event.Pending, at, time.Time{}
	want.Round, want.RoundFrom = 1, d.Attempts
	same(r.t, "delivery after a resend", r.resend(d.ID, at, false), want)
	now := at
	for i := range len(retries) + 1 {
		held := r.claimOne(asOf(now))
		if held.Round != 1 || held.RoundFrom != d.Attempts || held.Attempts != d.Attempts+i {
			r.t.Errorf("claimed in round %d from %d with %d attempts", held.Round, held.RoundFrom, held.Attempts)
		}
		s := settle(held, r.tick(), failure())
		r.record(s)
		now = s.Delivery.DueAt
	}
	got := r.delivery(d.ID)
	if got.Delivery.Status != event.Failed || got.Delivery.Attempts != 2*(len(retries)+1) {
		r.t.Errorf("after the second round it is %v with %d attempts", got.Delivery.Status, got.Delivery.Attempts)
	}
	for i, a := range got.Attempts {
		if a.Number != i+1 {
			r.t.Errorf("attempt %d has the number %d", i+1, a.Number)
		}
	}
}

func resendDelivered(r rig) {
	r.accept(r.subscribe().ID)
	done := settle(r.claimOne(), r.tick(), success()).Delivery
	r.record(event.Settlement{Delivery: done, Attempt: settle(done, r.tick(), success()).Attempt})
	first := r.delivery(done.ID).Delivery.DeliveredAt
	if first.IsZero() {
		r.t.Fatal("a delivered delivery has no DeliveredAt")
	}
	_, err := r.s.Resend(r.t.Context(), done.ID, r.now, false)
	r.mustFail("resend a delivered delivery", err, event.ErrDelivered)
	r.counted(map[event.Status]int{event.Delivered: 1})

	r.resend(done.ID, r.now, true)
	r.record(settle(r.claimOne(), r.tick(), event.Outcome{Code: event.CodeBlocked, Error: "not a public address"}))
	got := r.delivery(done.ID).Delivery
	if got.Status != event.Failed || !got.DeliveredAt.Equal(first) {
		r.t.Errorf("it is %v, delivered at %v; want failed, and delivered at %v", got.Status, got.DeliveredAt, first)
	}
	_, err = r.s.Resend(r.t.Context(), done.ID, r.now, false)
	r.mustFail("resend a failed delivery that was delivered before", err, event.ErrDelivered)
	r.resend(done.ID, r.now, true)
	r.record(settle(r.claimOne(), r.tick(), success()))
	if got := r.delivery(done.ID).Delivery; got.Status != event.Delivered || !got.DeliveredAt.Equal(first) {
		r.t.Errorf("it is %v, delivered at %v; want delivered at %v, the first time", got.Status, got.DeliveredAt, first)
	}
}

func resendPending(r rig) {
	s := r.subscribe()
	for _, edit := range []func(*event.Acceptance){due(r.now), due(r.now.Add(time.Hour)), leased("node-a", r.now.Add(time.Minute))} {
		a := r.accept(s.ID, edit)
		_, err := r.s.Resend(r.t.Context(), a.Deliveries[0].ID, r.now, true)
		r.mustFail("resend a pending delivery", err, event.ErrNotSettled)
		same(r.t, "delivery", r.delivery(a.Deliveries[0].ID).Delivery, a.Deliveries[0])
	}
}

func resendInactive(r rig) {
	inactive, deleted := r.subscribe(), r.subscribe()
	first, second := r.failed(inactive.ID), r.failed(deleted.ID)
	r.activate(inactive, false, r.tick())
	r.delete(deleted.ID)
	for _, d := range []event.Delivery{first, second} {
		_, err := r.s.Resend(r.t.Context(), d.ID, r.now, true)
		r.mustFail("resend to a subscription that is not active", err, event.ErrInactive)
		sameDelivery(r.t, r.delivery(d.ID).Delivery, d)
	}
	r.activate(inactive, true, r.tick())
	r.resend(first.ID, r.now, false)
}

func cancelPending(r rig) {
	s := r.subscribe()
	for _, edit := range []func(*event.Acceptance){due(r.now), due(r.now.Add(time.Hour)), leased("node-a", r.now.Add(time.Minute))} {
		a, at := r.accept(s.ID, edit), r.tick()
		got := r.cancel(a.Deliveries[0].ID, at)
		if got.Status != event.Cancelled || !got.SettledAt.Equal(at) || got.LeaseOwner != "" {
			r.t.Errorf("it is %v since %v, leased by %q", got.Status, got.SettledAt, got.LeaseOwner)
		}
		same(r.t, "a second cancel", r.cancel(a.Deliveries[0].ID, r.tick()), got)
		same(r.t, "leases lost", r.renew("node-a", r.now.Add(time.Hour), got.ID), []event.ID{got.ID})
	}
	same(r.t, "claim a day later", r.claim(asOf(r.now.Add(day))), event.Claim{})
	r.counted(map[event.Status]int{event.Cancelled: 3})
}

func cancelSettled(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	done := settle(r.claimOne(), r.tick(), success())
	r.record(done)
	for _, want := range []event.Delivery{done.Delivery, r.failed(s.ID)} {
		sameDelivery(r.t, r.cancel(want.ID, r.tick()), want)
	}
}

// A delivery is cancelled and resent during an attempt, and the resend is attempted too.
// Both attempts settle, in either order, with each pair of outcomes.
func moveOrders(r rig) {
	s := r.subscribe()
	for _, stored := range []func(*event.Acceptance){due(r.now), leased("node-a", r.now.Add(time.Hour))} {
		for _, first := range []event.Outcome{success(), failure()} {
			for _, second := range []event.Outcome{success(), failure()} {
				for _, swap := range []bool{false, true} {
					r.moveOrder(s.ID, stored, [2]event.Outcome{first, second}, swap)
				}
			}
		}
	}
}

func (r rig) moveOrder(subscription event.ID, stored func(*event.Acceptance), outcomes [2]event.Outcome, swap bool) {
	r.t.Helper()
	a := r.accept(subscription, stored)
	id := a.Deliveries[0].ID
	old := a.Deliveries[0]
	if old.LeaseOwner == "" {
		old = r.claimOne()
	}
	r.cancel(id, r.tick())
	r.resend(id, r.now, false)
	again := r.claimOne(owner("node-b"))
	if again.ID != id || again.Round != 1 || again.Attempts != 0 {
		r.t.Fatalf("claimed %v in round %d with %d attempts", again.ID, again.Round, again.Attempts)
	}
	order := []event.Settlement{settle(old, r.tick(), outcomes[0]), settle(again, r.tick(), outcomes[1])}
	if swap {
		order[0], order[1] = order[1], order[0]
	}
	row, want := r.delivery(id).Delivery, []event.Attempt(nil)
	for _, s := range order {
		row = event.Apply(row, s)
		s.Attempt.Number = row.Attempts
		want = append(want, s.Attempt)
		r.record(s)
		r.record(order[0]) // again
		got := r.delivery(id)
		sameDelivery(r.t, got.Delivery, row)
		same(r.t, "attempts", got.Attempts, want)
	}
	delivered := outcomes[0].Success() || outcomes[1].Success()
	if got := row.Status == event.Delivered; got != delivered {
		r.t.Errorf("outcomes %v and %v, swapped %v: it is %v", outcomes[0].StatusCode, outcomes[1].StatusCode, swap, row.Status)
	}
	r.cancel(id, r.tick()) // a delivery that waits for a retry would disturb the next case
}

func moveUnknown(r rig) {
	_, err := r.s.Resend(r.t.Context(), event.NewID(r.now), r.now, true)
	r.mustFail("resend a delivery that does not exist", err, event.ErrNotFound)
	_, err = r.s.Cancel(r.t.Context(), event.NewID(r.now), r.now)
	r.mustFail("cancel a delivery that does not exist", err, event.ErrNotFound)
}

// After a resend has failed, the retention is counted from that failure.
func resendExpires(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	blocked := event.Outcome{Code: event.CodeBlocked, Error: "not a public address"}
	first := settle(r.claimOne(), r.tick(), blocked)
	r.record(first)
	id := first.Delivery.ID
	r.resend(id, r.now.Add(9*day), false)
	if n := r.expire(10, 100); n != 0 {
		r.t.Errorf("expired %d deliveries, although the only one is pending again", n)
	}
	r.record(settle(r.claimOne(asOf(r.now.Add(9*day))), r.now.Add(11*day), blocked))
	if n := r.expire(10, 100); n != 0 {
		r.t.Errorf("expired %d deliveries, although the only one failed later", n)
	}
	if n := r.expire(12, 100); n != 1 {
		r.t.Errorf("expired %d deliveries, want the one", n)
	}
	r.gone("the resent one", id)
}
