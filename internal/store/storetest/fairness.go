package storetest

import (
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var fairnessCases = []testCase{
	{"each subscription gets a turn before any gets a second one", oneTurnEach},
	{"turns respect capacities", turnsWithinCapacities},
	{"many due deliveries of one subscription hide no other", floodHidesNoOther},
	{"repeated claims drain everything", claimsDrain},
}

// turns checks that no subscription had two turns more than another with deliveries left.
func turns(r rig, what string, got, waiting map[event.ID]int) {
	r.t.Helper()
	most := 0
	for _, n := range got {
		most = max(most, n)
	}
	for id, n := range waiting {
		if got[id] < min(n, most-1) {
			r.t.Errorf("%s: a subscription with %d due got %d turns while another got %d", what, n, got[id], most)
		}
	}
}

func oneTurnEach(r rig) {
	for _, tt := range []struct {
		reason  string
		waiting []int // of each subscription, in the order of due times
		limit   int
	}{
		{"a limit below the number of subscriptions: one each of different ones", []int{9, 9, 9, 9, 1}, 3},
		{"a limit equal to the number of subscriptions: one each", []int{9, 9, 1, 1, 9}, 5},
		{"two turns and a half", []int{9, 9, 2, 9, 1}, 12},
		{"the only busy one gets the rest", []int{30, 1, 1, 1}, 20},
		{"one place", []int{5, 5}, 1},
	} {
		waiting := make(map[event.ID]int)
		for i, id := range r.subscriptions(len(tt.waiting)) {
			waiting[id] = tt.waiting[i]
			for j := range tt.waiting[i] {
				r.accept(id, due(r.now.Add(time.Duration(i-100)*time.Minute+time.Duration(j)*time.Second)))
			}
		}
		claim := r.claim(limit(tt.limit))
		if len(claim.Deliveries) != tt.limit || !claim.More {
			r.t.Errorf("%s: claimed %d of %d, more is %v", tt.reason, len(claim.Deliveries), tt.limit, claim.More)
		}
		turns(r, tt.reason, perSubscription(claim), waiting)
		r.claim() // the rest, so that the next row starts empty
	}
}

func turnsWithinCapacities(r rig) {
	subs := r.subscriptions(5)
	for i := range 5 * 10 {
		r.accept(subs[i/10])
	}
	got := perSubscription(r.claim(limit(14), capacity(3), capacityOf(map[event.ID]int{subs[0]: 0, subs[1]: 8, subs[2]: 1})))
	// Three turns take 4, 3 and 3. The remaining four are for the only one with capacity.
	same(r.t, "claimed of each", got, map[event.ID]int{subs[1]: 7, subs[2]: 1, subs[3]: 3, subs[4]: 3})
}

// A claim that applies its limit before it takes turns sees only the flood.
func floodHidesNoOther(r rig) {
	const flood, quiet = 10_000, 20
	busy := r.subscribe()
	offers := make([]event.Acceptance, flood)
	for i := range offers {
		offers[i] = r.offer(busy.ID, due(r.now.Add(-time.Hour)))
	}
	r.acceptAll(offers)
	waiting := map[event.ID]int{busy.ID: flood}
	for _, id := range r.subscriptions(quiet) {
		r.accept(id)
		waiting[id] = 1
	}
	got := r.claim(limit(50))
	if len(got.Deliveries) != 50 || !got.More {
		r.t.Errorf("claimed %d, more is %v; want 50 and more", len(got.Deliveries), got.More)
	}
	turns(r, "the flood", perSubscription(got), waiting)
	if got := len(perSubscription(got)); got != quiet+1 {
		r.t.Errorf("the claim saw %d subscriptions, want all %d", got, quiet+1)
	}
}

func claimsDrain(r rig) {
	busy := r.subscribe()
	waiting := make(map[event.ID]int)
	var offers []event.Acceptance
	for range 400 {
		offers = append(offers, r.offer(busy.ID, due(r.now.Add(-time.Hour))))
	}
	waiting[busy.ID] = 400
	for i, id := range r.subscriptions(20) {
		waiting[id] = 1 + i%5
		for range waiting[id] {
			offers = append(offers, r.offer(id))
		}
	}
	r.acceptAll(offers)
	for round := 0; len(waiting) > 0; round++ {
		claim := r.claim(limit(50))
		if len(claim.Deliveries) == 0 || round > len(offers) {
			r.t.Fatalf("round %d claimed nothing, but %d subscriptions have due deliveries", round, len(waiting))
		}
		turns(r, fmt.Sprintf("round %d", round), perSubscription(claim), waiting)
		r.settleAll(claim, waiting)
	}
	r.counted(map[event.Status]int{event.Delivered: len(offers)})
}

// settleAll delivers what was claimed and subtracts it from what is waiting.
func (r rig) settleAll(c event.Claim, waiting map[event.ID]int) {
	r.t.Helper()
	var done []event.Settlement
	for _, d := range c.Deliveries {
		done = append(done, settle(d.Delivery, r.now, success()))
		id := d.Delivery.SubscriptionID
		if waiting[id]--; waiting[id] == 0 {
			delete(waiting, id)
		}
	}
	r.record(done...)
}
