package storetest

import (
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var upkeepCases = []testCase{
	{"an empty store has nothing to expire", expireNothing},
	{"old settled deliveries are deleted, newer and pending ones are kept", expireSettled},
	{"attempts are deleted with their delivery", expireAttempts},
	{"deleted deliveries leave nothing behind", expireWhole},
	{"an idempotency key does not outlive its delivery", expireKeys},
	{"an idempotency key within the retention is kept", expireKeepsKeys},
	{"a step is no larger than the limit", expireInSteps},
	{"deliveries of a subscription that has long been inactive are cancelled", expireCancels},
	{"deliveries of a subscription that became inactive later are kept", expireKeepsInactive},
	{"changing an inactive subscription does not restart its retention", expireEdited},
	{"cancelled deliveries expire, too", expireCancelled},
	{"a deleted subscription is readable until its history has expired", expireKeepsDeleted},
	{"a working store responds to a ping", ping},
}

const day = 24 * time.Hour

// expire calls Expire until it returns 0, and returns the sum. It expires what settled before
// the given number of days after the present time of the case, and calls Expire three days later
// than that. The cases advance the time, because ids must have times close to the real time.
func (r rig) expire(days int, limit int) int {
	r.t.Helper()
	before := r.now.Add(time.Duration(days) * day)
	sum := 0
	for range 1000 {
		n, err := r.s.Expire(r.t.Context(), before, before.Add(3*day), limit)
		r.must("expire", err)
		if n < 0 || n > limit {
			r.t.Fatalf("one step expired %d, the limit is %d", n, limit)
		}
		if n == 0 {
			return sum
		}
		sum += n
	}
	r.t.Fatal("Expire does not return 0 after 1000 calls")
	return sum
}

// settled returns a delivery that settled the given number of days after the present time of
// the case.
func (r rig) settled(subscription event.ID, days int, edits ...func(*event.Acceptance)) event.Settlement {
	r.t.Helper()
	a := r.accept(subscription, append(edits, leased("node-a", r.now.Add(time.Minute)))...)
	s := settle(a.Deliveries[0], r.now.Add(time.Duration(days)*day), success())
	r.record(s)
	return s
}

// gone checks that a delivery is deleted.
func (r rig) gone(what string, id event.ID) {
	r.t.Helper()
	_, err := r.s.Delivery(r.t.Context(), id)
	r.mustFail("read "+what, err, event.ErrNotFound)
}

func expireNothing(r rig) {
	r.subscribe()
	if n := r.expire(10, 100); n != 0 {
		r.t.Errorf("expired %d", n)
	}
}

func expireSettled(r rig) {
	s := r.subscribe()
	old, later := r.settled(s.ID, 9), r.settled(s.ID, 11)
	waiting := r.accept(s.ID)
	held := r.accept(s.ID, leased("node-b", r.now.Add(time.Minute)))
	cancelledEarly, cancelledLate := r.subscribe(), r.subscribe()
	doomed, kept := r.accept(cancelledEarly.ID), r.accept(cancelledLate.ID)
	r.must("delete", r.s.DeleteSubscription(r.t.Context(), cancelledEarly.ID, r.now.Add(9*day), 0))
	r.must("delete", r.s.DeleteSubscription(r.t.Context(), cancelledLate.ID, r.now.Add(11*day), 0))

	if n := r.expire(10, 100); n != 2 {
		r.t.Errorf("expired %d deliveries, want the 2 that settled before", n)
	}
	r.gone("one that was delivered before", old.Delivery.ID)
	r.gone("one that was cancelled before", doomed.Deliveries[0].ID)
	sameDelivery(r.t, r.delivery(later.Delivery.ID).Delivery, later.Delivery)
	sameDelivery(r.t, r.delivery(waiting.Deliveries[0].ID).Delivery, waiting.Deliveries[0])
	sameDelivery(r.t, r.delivery(held.Deliveries[0].ID).Delivery, held.Deliveries[0])
	if got := r.delivery(kept.Deliveries[0].ID).Delivery; got.Status != event.Cancelled {
		r.t.Errorf("one that was cancelled later is %v", got.Status)
	}
	got := r.claim().Deliveries
	if len(got) != 1 {
		r.t.Fatalf("claimed %d, want the one that was waiting", len(got))
	}
	same(r.t, "event of the waiting one", got[0].Event, waiting.Event)
}

func expireAttempts(r rig) {
	s := r.subscribe()
	r.settled(s.ID, 9)
	kept := r.settled(s.ID, 11)
	r.expire(10, 100)
	same(r.t, "attempts of the kept one", r.delivery(kept.Delivery.ID).Attempts, []event.Attempt{kept.Attempt})
	got := r.attempts(s.ID, event.ID{}, 10)
	if len(got) != 1 || got[0].Attempt.ID != kept.Attempt.ID || got[0].EventType != "user.created" {
		r.t.Errorf("the subscription's attempts are %+v, want only the one that is kept", got)
	}
}

// If an event or an attempt was left behind, using its id again fails.
func expireWhole(r rig) {
	s := r.subscribe()
	a := r.accept(s.ID, leased("node-a", r.now.Add(time.Minute)))
	retry := settle(a.Deliveries[0], r.now, failure())
	r.record(retry, settle(retry.Delivery, r.now.Add(9*day), success()))
	r.expire(10, 100)
	r.gone("the expired one", a.Deliveries[0].ID)
	_, err := r.s.Accept(r.t.Context(), a)
	r.must("accept an event with the ids of a deleted one", err)
	same(r.t, "report", r.delivery(a.Deliveries[0].ID), event.DeliveryReport{Delivery: a.Deliveries[0], EventType: a.Event.Type})
}

func expireKeys(r rig) {
	s := r.subscribe()
	r.settled(s.ID, 9, key("key-1", 1))
	r.expire(10, 100)
	r.accept(s.ID, key("key-1", 2)) // accept checks that it is not a replay
}

// A second request may arrive long after the first was delivered.
func expireKeepsKeys(r rig) {
	s := r.subscribe()
	waiting := r.accept(s.ID, key("waits", 1))
	done := r.accept(s.ID, key("is settled", 1), leased("node-a", r.now.Add(time.Minute)))
	r.record(settle(done.Deliveries[0], r.now, success()))
	r.expire(-1, 100)
	r.acceptAgain(waiting)
	r.acceptAgain(done)
}

func expireInSteps(r rig) {
	s := r.subscribe()
	const n = 25
	for range n {
		r.settled(s.ID, 9)
	}
	later := r.settled(s.ID, 11)
	before := r.now.Add(10 * day)
	first, err := r.s.Expire(r.t.Context(), before, before.Add(3*day), 10)
	r.must("expire", err)
	if first != 10 {
		r.t.Errorf("the first step expired %d, want the limit, 10", first)
	}
	r.counted(map[event.Status]int{event.Delivered: n + 1 - first})
	if rest := r.expire(10, 10); first+rest != n {
		r.t.Errorf("all steps expired %d, want %d", first+rest, n)
	}
	r.counted(map[event.Status]int{event.Delivered: 1})
	sameDelivery(r.t, r.delivery(later.Delivery.ID).Delivery, later.Delivery)
}

// inactiveSince returns subscriptions that became inactive the given number of days after the
// present time of the case, each in another way, with three pending deliveries each.
func (r rig) inactiveSince(days int) map[string][]event.ID {
	r.t.Helper()
	at := r.now.Add(time.Duration(days) * day)
	byCaller, byGone := r.subscribe(), r.subscribe()
	pending := make(map[string][]event.ID)
	for reason, s := range map[string]event.Subscription{"by its caller": byCaller, "by 410 Gone": byGone} {
		for range 3 {
			pending[reason] = append(pending[reason], r.accept(s.ID).Deliveries[0].ID)
		}
	}
	r.activate(byCaller, false, at)
	last := r.accept(byGone.ID, leased("node-a", at.Add(time.Minute)))
	r.record(settle(last.Deliveries[0], at, gone()))
	return pending
}

func expireCancels(r rig) {
	pending := r.inactiveSince(9)
	active := r.accept(r.subscribe().ID)
	r.expire(10, 2) // the limit is lower than the number of deliveries to cancel
	for reason, ids := range pending {
		for _, id := range ids {
			d := r.delivery(id).Delivery
			if d.Status != event.Cancelled || !d.SettledAt.Equal(r.now.Add(13*day)) {
				r.t.Errorf("inactive %s: %v, settled at %v; want cancelled now, at %v", reason, d.Status, d.SettledAt, r.now.Add(13*day))
			}
		}
	}
	sameDelivery(r.t, r.delivery(active.Deliveries[0].ID).Delivery, active.Deliveries[0])
}

func expireKeepsInactive(r rig) {
	pending := r.inactiveSince(11)

	again := r.subscribe()
	r.activate(again, false, r.now.Add(8*day))
	r.activate(again, true, r.now.Add(9*day))
	pending["in between, and active again"] = []event.ID{r.accept(again.ID).Deliveries[0].ID}

	relapsed := r.subscribe()
	r.activate(relapsed, false, r.now.Add(8*day))
	r.activate(relapsed, true, r.now.Add(9*day))
	pending["again, but only since later"] = []event.ID{r.accept(relapsed.ID).Deliveries[0].ID}
	r.activate(relapsed, false, r.now.Add(11*day))

	r.expire(10, 100)
	for reason, ids := range pending {
		for _, id := range ids {
			if d := r.delivery(id).Delivery; d.Status != event.Pending {
				r.t.Errorf("inactive %s: its delivery became %v", reason, d.Status)
			}
		}
	}
}

// Otherwise a caller that writes the settings every day would keep pending deliveries forever.
func expireEdited(r rig) {
	s := r.subscribe()
	waiting := r.accept(s.ID)
	r.activate(s, false, r.now.Add(9*day))
	s.Description = "still inactive"
	r.activate(s, false, r.now.Add(11*day))
	r.expire(10, 100)
	if d := r.delivery(waiting.Deliveries[0].ID).Delivery; d.Status != event.Cancelled {
		r.t.Errorf("inactive since day 9 and changed on day 11: its delivery is %v when day 10 expires, want cancelled", d.Status)
	}
}

func expireCancelled(r rig) {
	pending := r.inactiveSince(9)
	r.expire(10, 100)
	r.expire(12, 100)
	for reason, ids := range pending {
		if d := r.delivery(ids[0]).Delivery; d.Status != event.Cancelled {
			r.t.Errorf("inactive %s: cancelled on day 13, and %v when day 12 expires", reason, d.Status)
		}
	}
	r.expire(14, 2)
	for reason, ids := range pending {
		for _, id := range ids {
			r.gone("a delivery of one inactive "+reason, id)
		}
	}
	r.counted(nil)
}

func expireKeepsDeleted(r rig) {
	s := r.subscribe()
	kept := r.settled(s.ID, 11)
	r.must("delete", r.s.DeleteSubscription(r.t.Context(), s.ID, r.now.Add(day), 0))
	r.expire(10, 100)
	if got := r.subscription(s.ID); !got.Deleted() || got.TargetURL != s.TargetURL {
		r.t.Errorf("the deleted subscription is %+v, want it as it was", got)
	}
	if got := r.attempts(s.ID, event.ID{}, 10); len(got) != 1 || got[0].Attempt.ID != kept.Attempt.ID {
		r.t.Errorf("%d attempts are readable, want 1", len(got))
	}
}

func ping(r rig) {
	r.must("ping", r.s.Ping(r.t.Context()))
}
