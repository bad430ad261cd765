package storetest

import (
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var deletionCases = []testCase{
	{"a deleted subscription is not listed and has no secrets", deletedIsWiped},
	{"pending deliveries are cancelled, even if they are leased", deletionCancels},
	{"the history stays readable", deletionKeepsHistory},
	{"a second deletion is not found", deletedTwice},
	{"a deleted subscription can't be replaced", replaceDeleted},
	{"other subscriptions are not affected", deletionLeavesOthers},
}

func (r rig) delete(id event.ID) time.Time {
	r.t.Helper()
	at := r.tick()
	r.must("delete a subscription", r.s.DeleteSubscription(r.t.Context(), id, at, 0))
	return at
}

func deletedIsWiped(r rig) {
	s := r.subscribe(full)
	at := r.delete(s.ID)
	got := r.subscription(s.ID)
	if !got.DeletedAt.Equal(at) || !got.Deleted() {
		r.t.Errorf("deleted at %v, want %v", got.DeletedAt, at)
	}
	if len(got.Secrets) > 0 || len(got.Headers) > 0 {
		r.t.Errorf("it still has %d secrets and %d headers", len(got.Secrets), len(got.Headers))
	}
	if got.TargetURL != s.TargetURL || got.Description != s.Description || !got.CreatedAt.Equal(s.CreatedAt) {
		r.t.Errorf("the fields that its history needs have changed: %q, %q, %v", got.TargetURL, got.Description, got.CreatedAt)
	}
	inUTC(r.t, map[string]time.Time{"DeletedAt": got.DeletedAt})
	if list := r.list(event.ID{}, 10); len(list) != 0 {
		r.t.Errorf("the list has %d subscriptions", len(list))
	}
}

func deletionCancels(r rig) {
	s := r.subscribe()
	r.accept(s.ID, due(r.now))
	held := r.claimOne()
	stored := r.accept(s.ID, leased("node-b", r.now.Add(time.Minute)))
	later := r.accept(s.ID, due(r.now.Add(time.Hour)))
	waiting := r.accept(s.ID, due(r.now))
	at := r.delete(s.ID)

	for reason, id := range map[string]event.ID{
		"claimed": held.ID, "stored as leased": stored.Deliveries[0].ID,
		"not due yet": later.Deliveries[0].ID, "due": waiting.Deliveries[0].ID,
	} {
		if d := r.delivery(id).Delivery; d.Status != event.Cancelled || !d.SettledAt.Equal(at) {
			r.t.Errorf("the delivery that was %s is %v, settled at %v; want cancelled at %v", reason, d.Status, d.SettledAt, at)
		}
	}
	if got := r.claim(asOf(r.now.Add(2 * time.Hour))); len(got.Deliveries) != 0 || !got.NextDue.IsZero() {
		r.t.Errorf("there is still something to claim: %d now, more at %v", len(got.Deliveries), got.NextDue)
	}
	r.counted(map[event.Status]int{event.Cancelled: 4})
}

func deletionKeepsHistory(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	done := settle(r.claimOne(), r.tick(), success())
	r.record(done)
	before := r.delivery(done.Delivery.ID)
	r.delete(s.ID)
	same(r.t, "delivered delivery", r.delivery(done.Delivery.ID), before)
	if got := r.attempts(s.ID, event.ID{}, 10); len(got) != 1 {
		r.t.Errorf("%d attempts are readable, want 1", len(got))
	}
}

func deletedTwice(r rig) {
	s := r.subscribe()
	first := r.delete(s.ID)
	r.mustFail("delete again", r.s.DeleteSubscription(r.t.Context(), s.ID, r.tick(), 0), event.ErrNotFound)
	if got := r.subscription(s.ID).DeletedAt; !got.Equal(first) {
		r.t.Errorf("the second deletion moved the first from %v to %v", first, got)
	}
	r.mustFail("delete an unknown one", r.s.DeleteSubscription(r.t.Context(), event.NewID(r.now), r.tick(), 0), event.ErrNotFound)
}

func replaceDeleted(r rig) {
	s := r.subscribe(full)
	r.delete(s.ID)
	_, err := r.s.ReplaceSubscription(r.t.Context(), s)
	r.mustFail("replace a deleted subscription", err, event.ErrNotFound)
	if got := r.subscription(s.ID); len(got.Secrets) > 0 || !got.Deleted() {
		r.t.Errorf("the subscription was restored: %d secrets, deleted is %v", len(got.Secrets), got.Deleted())
	}
}

func deletionLeavesOthers(r rig) {
	s, other := r.subscribe(full), r.subscribe(full)
	pending := r.accept(other.ID)
	r.delete(s.ID)
	same(r.t, "the other subscription", r.subscription(other.ID), other)
	sameDelivery(r.t, r.delivery(pending.Deliveries[0].ID).Delivery, pending.Deliveries[0])
}
