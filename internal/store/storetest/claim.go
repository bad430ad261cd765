package storetest

import (
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var claimCases = []testCase{
	{"an empty store has nothing to claim", claimNothing},
	{"a claimed delivery is leased to the claimer", claimLeases},
	{"a leased delivery can't be claimed again", claimOnce},
	{"a delivery that is not due yet is not claimed, and the claim returns its due time", claimNotDue},
	{"the next due time ignores deliveries that can't be claimed", nextDueSkips},
	{"deliveries are claimed in the order of their due times", claimInOrder},
	{"the limit bounds the claim", claimLimit},
	{"the capacity bounds each subscription", claimCapacity},
	{"the capacity of one subscription overrides the capacity of all", claimCapacityOf},
	{"the byte limit bounds the payloads of the claim", claimBytes},
	{"an inactive subscription's deliveries wait until it is active again", claimInactive},
	{"deliveries of an inactive subscription are no reason to claim again", claimInactiveMany},
	{"a claimed retry has the number of attempts made so far", claimRetry},
}

func ids(c event.Claim) []event.ID {
	got := make([]event.ID, len(c.Deliveries))
	for i, d := range c.Deliveries {
		got[i] = d.Delivery.ID
	}
	return got
}

// perSubscription counts the claimed deliveries of each subscription.
func perSubscription(c event.Claim) map[event.ID]int {
	n := make(map[event.ID]int)
	for _, d := range c.Deliveries {
		n[d.Delivery.SubscriptionID]++
	}
	return n
}

func claimNothing(r rig) {
	same(r.t, "claim", r.claim(), event.Claim{})
	r.subscribe()
	same(r.t, "claim", r.claim(), event.Claim{})
}

func claimLeases(r rig) {
	subs := r.subscriptions(3)
	want := make(map[event.ID]event.Claimed)
	for i := range 9 {
		a := r.accept(subs[i%3], payload([]byte{byte(i)}))
		a.Deliveries[0].LeaseOwner, a.Deliveries[0].LeasedUntil = "node-c", r.now.Add(42*time.Second)
		want[a.Deliveries[0].ID] = event.Claimed{Delivery: a.Deliveries[0], Event: a.Event}
	}
	got := make(map[event.ID]event.Claimed)
	for _, c := range r.claim(owner("node-c"), until(r.now.Add(42*time.Second))).Deliveries {
		got[c.Delivery.ID] = c
		same(r.t, "delivery as stored", r.delivery(c.Delivery.ID).Delivery, c.Delivery)
	}
	same(r.t, "claimed", got, want)
}

func claimOnce(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	r.claimOne(owner("node-a"))
	for _, name := range []string{"node-a", "node-b"} {
		same(r.t, "claim by "+name, r.claim(owner(name)), event.Claim{})
	}
}

func claimNotDue(r rig) {
	s := r.subscribe()
	late := r.accept(s.ID, due(r.now.Add(2*time.Hour)))
	soon := r.accept(s.ID, due(r.now.Add(time.Hour+time.Microsecond)))
	same(r.t, "claim", r.claim(), event.Claim{NextDue: soon.Deliveries[0].DueAt})
	same(r.t, "claim a microsecond early", r.claim(asOf(soon.Deliveries[0].DueAt.Add(-time.Microsecond))),
		event.Claim{NextDue: soon.Deliveries[0].DueAt})

	now := r.claim(asOf(soon.Deliveries[0].DueAt))
	same(r.t, "claimed at the due time", ids(now), []event.ID{soon.Deliveries[0].ID})
	same(r.t, "next due", now.NextDue, late.Deliveries[0].DueAt)
	if now.More {
		r.t.Error("the claim says there is more, but it is not due")
	}
}

func nextDueSkips(r rig) {
	s := r.subscribe()
	r.accept(s.ID, due(r.now.Add(time.Minute)), leased("node-b", r.now.Add(time.Hour)))
	same(r.t, "claim with only a leased delivery", r.claim(), event.Claim{})
	free := r.accept(s.ID, due(r.now.Add(2*time.Minute)))
	same(r.t, "claim with one that is not due yet", r.claim(), event.Claim{NextDue: free.Deliveries[0].DueAt})
}

func claimInOrder(r rig) {
	s := r.subscribe()
	var want []event.ID
	for _, ago := range []int{3, 1, 5, 2, 4} {
		a := r.accept(s.ID, due(r.now.Add(-time.Duration(ago)*time.Minute)))
		want = append(want, a.Deliveries[0].ID)
	}
	byDue := []event.ID{want[2], want[4], want[0], want[3], want[1]}
	same(r.t, "first claim", ids(r.claim(limit(2))), byDue[:2])
	same(r.t, "second claim", ids(r.claim(capacity(2))), byDue[2:4])
	same(r.t, "third claim", ids(r.claim()), byDue[4:])
}

func claimLimit(r rig) {
	subs := r.subscriptions(3)
	for i := range 10 {
		r.accept(subs[i%3])
	}
	for _, tt := range []struct {
		limit, want int
		more        bool
	}{{1, 1, true}, {4, 4, true}, {4, 4, true}, {4, 1, false}, {4, 0, false}} {
		got := r.claim(limit(tt.limit))
		if len(got.Deliveries) != tt.want || got.More != tt.more {
			r.t.Errorf("with the limit %d: claimed %d, more is %v; want %d and %v",
				tt.limit, len(got.Deliveries), got.More, tt.want, tt.more)
		}
	}
}

func claimCapacity(r rig) {
	subs := r.subscriptions(2)
	for range 5 {
		r.accept(subs[0])
	}
	r.accept(subs[1])
	if got := r.claim(capacity(0)); len(got.Deliveries) != 0 {
		r.t.Errorf("claimed %d deliveries without any capacity", len(got.Deliveries))
	}
	for _, tt := range []struct {
		capacity int
		want     map[event.ID]int
		more     bool
	}{
		{3, map[event.ID]int{subs[0]: 3, subs[1]: 1}, true},
		{2, map[event.ID]int{subs[0]: 2}, false},
	} {
		got := r.claim(capacity(tt.capacity))
		same(r.t, "claimed of each", perSubscription(got), tt.want)
		if got.More != tt.more {
			r.t.Errorf("with capacity for %d of each: more is %v, want %v", tt.capacity, got.More, tt.more)
		}
	}
}

func claimCapacityOf(r rig) {
	subs := r.subscriptions(4)
	for i := range 4 * 6 {
		r.accept(subs[i%4])
	}
	got := r.claim(capacity(2), capacityOf(map[event.ID]int{
		subs[0]:              0, // its lane is full
		subs[1]:              1, // its lane is nearly full
		subs[2]:              5, // it may take more than the others
		event.NewID(r.now):   3, // it has nothing due
		event.NewID(r.now):   0,
		event.FloorID(r.now): 1,
	}))
	same(r.t, "claimed of each", perSubscription(got), map[event.ID]int{subs[1]: 1, subs[2]: 5, subs[3]: 2})
	if !got.More {
		r.t.Error("the claim says there is no more, although the capacities left some deliveries")
	}
	got = r.claim(limit(4), capacity(0), capacityOf(map[event.ID]int{subs[0]: 10}))
	same(r.t, "claimed of each where only one has capacity", perSubscription(got), map[event.ID]int{subs[0]: 4})
}

// One delivery may exceed the limit, so that even the largest can be claimed.
func claimBytes(r rig) {
	s := r.subscribe()
	for range 5 {
		r.accept(s.ID, payload(make([]byte, 100)))
	}
	for _, tt := range []struct {
		bytes, want int
		more        bool
	}{{1, 1, true}, {200, 2, true}, {150, 2, false}} {
		got := r.claim(func(q *event.ClaimRequest) { q.Bytes = tt.bytes })
		if len(got.Deliveries) != tt.want || got.More != tt.more {
			r.t.Errorf("with %d bytes and payloads of 100: claimed %d, more is %v; want %d and %v",
				tt.bytes, len(got.Deliveries), got.More, tt.want, tt.more)
		}
	}
}

func claimInactive(r rig) {
	s, other := r.subscribe(), r.subscribe()
	waiting := r.accept(s.ID)
	r.activate(s, false, r.tick())
	r.accept(other.ID)
	if got := r.claimOne(); got.SubscriptionID != other.ID {
		r.t.Fatal("claimed the delivery of an inactive subscription")
	}
	if got := r.claim(); len(got.Deliveries) != 0 || got.More {
		r.t.Errorf("claimed %d, more is %v: an inactive subscription has nothing to claim", len(got.Deliveries), got.More)
	}
	r.activate(s, true, r.tick())
	same(r.t, "claimed when it is active again", ids(r.claim()), []event.ID{waiting.Deliveries[0].ID})
}

// If a claim says that there are more deliveries, the caller claims again at once.
func claimInactiveMany(r rig) {
	s := r.subscribe()
	r.acceptAll(r.offers(s.ID, 20))
	r.activate(s, false, r.tick())
	active := r.accept(r.subscribe().ID)
	for _, want := range [][]event.ID{{active.Deliveries[0].ID}, {}} {
		got := r.claim(limit(5))
		same(r.t, "claimed", ids(got), want)
		if got.More {
			r.t.Error("the claim says there is more, but it is an inactive subscription's")
		}
	}
}

func claimRetry(r rig) {
	a := r.accept(r.subscribe().ID)
	now := r.now
	for made := range 2 {
		d := r.claimOne(asOf(now))
		if d.Attempts != made {
			r.t.Fatalf("claimed with %d attempts, want %d", d.Attempts, made)
		}
		s := settle(d, now, failure())
		r.record(s)
		now = s.Delivery.DueAt
	}
	got := r.claim(asOf(now)).Deliveries
	if len(got) != 1 || got[0].Delivery.Attempts != 2 || !slices.Equal(got[0].Event.Payload, a.Event.Payload) {
		r.t.Errorf("the last retry is %+v, want 2 attempts and the same payload", got)
	}
}
