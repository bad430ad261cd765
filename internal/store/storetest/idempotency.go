package storetest

import (
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var idempotencyCases = []testCase{
	{"the same key and body return the first ids", replayed},
	{"a replay returns the same, whatever the state of the delivery", replayedLater},
	{"the same key with another body is refused and leaves nothing", keyReused},
	{"a key belongs to its subscription", keyPerSubscription},
	{"without a key no acceptance is a replay", noKey},
	{"keys differ by every byte", keysExact},
}

// acceptAgain accepts a second event with the key of the first one, and checks that the
// receipt has the ids of the first one.
func (r rig) acceptAgain(first event.Acceptance) {
	r.t.Helper()
	twin := r.offer(first.Deliveries[0].SubscriptionID, key(first.IdempotencyKey, first.BodyHash[0]))
	got, err := r.s.Accept(r.t.Context(), twin)
	r.must("accept a replay", err)
	same(r.t, "receipt of a replay", got,
		event.Receipt{Event: first.Event.ID, Deliveries: first.Receipt().Deliveries, Replayed: true})
	r.absent(twin)
}

// absent checks that nothing of an offer was stored.
func (r rig) absent(a event.Acceptance) {
	r.t.Helper()
	_, err := r.s.Delivery(r.t.Context(), a.Deliveries[0].ID)
	r.mustFail("read a delivery that was not accepted", err, event.ErrNotFound)
}

func replayed(r rig) {
	first := r.accept(r.subscribe().ID, key("key-1", 1))
	r.acceptAgain(first)
	r.acceptAgain(first)
	r.counted(map[event.Status]int{event.Pending: 1})
	if got := r.claimOne(); got.ID != first.Deliveries[0].ID {
		r.t.Errorf("claimed %v, want %v", got.ID, first.Deliveries[0].ID)
	}
}

func replayedLater(r rig) {
	s := r.subscribe()
	first := r.accept(s.ID, key("key-1", 1), leased("node-a", r.now.Add(time.Minute)))
	r.acceptAgain(first)
	r.record(settle(first.Deliveries[0], r.tick(), success()))
	r.acceptAgain(first)
	r.counted(map[event.Status]int{event.Delivered: 1})
}

func keyReused(r rig) {
	s := r.subscribe()
	first := r.accept(s.ID, key("key-1", 1))
	other := r.offer(s.ID, key("key-1", 2))
	_, err := r.s.Accept(r.t.Context(), other)
	r.mustFail("accept another body under the same key", err, event.ErrKeyReused)
	r.absent(other)
	r.counted(map[event.Status]int{event.Pending: 1})
	r.acceptAgain(first)
	if got := r.claimOne(); got.ID != first.Deliveries[0].ID {
		r.t.Errorf("claimed %v, want %v", got.ID, first.Deliveries[0].ID)
	}
}

func keyPerSubscription(r rig) {
	a, b := r.subscribe(), r.subscribe()
	first := r.accept(a.ID, key("key-1", 1))
	second := r.accept(b.ID, key("key-1", 2)) // accept checks that it is not a replay
	r.acceptAgain(first)
	r.acceptAgain(second)
	r.counted(map[event.Status]int{event.Pending: 2})
}

func noKey(r rig) {
	s := r.subscribe()
	for range 3 {
		r.accept(s.ID, key("", 1))
	}
	r.counted(map[event.Status]int{event.Pending: 3})
}

func keysExact(r rig) {
	s := r.subscribe()
	keys := []string{"Key", "key", "key ", " key", "kéy", "ke\u0301y", "key%", "k_y", "'; --"}
	for i, k := range keys {
		r.accept(s.ID, key(k, byte(i)))
	}
	r.counted(map[event.Status]int{event.Pending: len(keys)})
}
