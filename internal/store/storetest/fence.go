package storetest

import (
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var fenceCases = []testCase{
	{"a settled delivery stays as it is", fenceSettled},
	{"an attempt that was overtaken by another changes nothing", fenceOvertaken},
	{"an attempt that was only claimed away still counts", fenceClaimedAway},
	{"a cancelled delivery stays cancelled", fenceCancelled},
	{"an attempt from the future changes nothing", fenceAhead},
	{"recording a settlement again changes nothing", recordAgain},
	{"recording a reason again does not disable again", recordReasonAgain},
	{"a fenced settlement does not hold up its neighbours", fenceNeighbours},
}

// unchanged records a settlement that the fence must keep off its delivery, and
// checks that the attempt is on record all the same.
func (r rig) unchanged(late event.Settlement) {
	r.t.Helper()
	before := r.delivery(late.Delivery.ID)
	r.record(late)
	after := r.delivery(late.Delivery.ID)
	same(r.t, "delivery behind the fence", after.Delivery, before.Delivery)
	if len(after.Attempts) != len(before.Attempts)+1 {
		r.t.Fatalf("%d attempts are on record, want %d: the late one was made too", len(after.Attempts), len(before.Attempts)+1)
	}
	for _, a := range after.Attempts {
		if a.ID == late.Attempt.ID {
			same(r.t, "late attempt", a, late.Attempt)
			return
		}
	}
	r.t.Error("the late attempt is not on record")
}

func fenceSettled(r rig) {
	for _, first := range []event.Outcome{success(), {Code: event.CodeBlocked, Error: "not a public address"}} {
		r.accept(r.subscribe().ID)
		held := r.claimOne()
		r.record(settle(held, r.tick(), first))
		for _, late := range []event.Outcome{failure(), success()} {
			r.unchanged(settle(held, r.tick(), late))
		}
	}
}

// The first node was paused past its lease; the second has tried meanwhile.
func fenceOvertaken(r rig) {
	r.accept(r.subscribe().ID)
	paused := r.claimOne(owner("node-a"))
	r.rescued(r.now.Add(2*time.Minute), 1)
	retry := settle(r.claimOne(owner("node-b"), asOf(r.now.Add(2*time.Minute))), r.tick(), failure())
	r.record(retry)
	r.unchanged(settle(paused, r.tick(), success()))
	r.claimOne(owner("node-b"), asOf(retry.Delivery.DueAt.Add(time.Minute)))
	r.unchanged(settle(paused, r.tick(), failure())) // and node-b keeps its lease
	r.counted(map[event.Status]int{event.Pending: 1})
}

// The row still stands at the attempt that was claimed, so what the first node
// did is true of it, and the second one's attempt is the late one.
func fenceClaimedAway(r rig) {
	r.accept(r.subscribe().ID)
	paused := r.claimOne(owner("node-a"))
	r.rescued(r.now.Add(2*time.Minute), 1)
	second := r.claimOne(owner("node-b"), asOf(r.now.Add(2*time.Minute)))
	done := settle(paused, r.tick(), success())
	r.record(done)
	sameDelivery(r.t, r.delivery(paused.ID).Delivery, done.Delivery)
	same(r.t, "leases that node-b lost", r.renew("node-b", r.now.Add(time.Hour), second.ID), []event.ID{second.ID})
	r.unchanged(settle(second, r.tick(), failure()))
	r.counted(map[event.Status]int{event.Delivered: 1})
}

func fenceCancelled(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	held := r.claimOne()
	r.delete(s.ID)
	r.unchanged(settle(held, r.tick(), success()))
	r.counted(map[event.Status]int{event.Cancelled: 1})
}

func fenceAhead(r rig) {
	r.accept(r.subscribe().ID)
	ahead := r.claimOne()
	ahead.Attempts = 1
	r.unchanged(settle(ahead, r.tick(), success()))
}

func fenceNeighbours(r rig) {
	subs := r.subscriptions(3)
	var held []event.Delivery
	for _, id := range subs {
		r.accept(id)
		held = append(held, r.claimOne())
	}
	r.record(settle(held[1], r.tick(), success()))
	late := settle(held[1], r.tick(), failure())
	first, last := settle(held[0], r.tick(), success()), settle(held[2], r.tick(), failure())
	r.record(first, late, last)
	sameDelivery(r.t, r.delivery(held[0].ID).Delivery, first.Delivery)
	sameDelivery(r.t, r.delivery(held[2].ID).Delivery, last.Delivery)
	if got := r.delivery(held[1].ID); got.Delivery.Status != event.Delivered || len(got.Attempts) != 2 {
		r.t.Errorf("the fenced one is %v with %d attempts, want delivered with 2", got.Delivery.Status, len(got.Attempts))
	}
}

// A caller that did not learn whether its settlements were written writes them again.
func recordAgain(r rig) {
	r.acceptAll(r.offers(r.subscribe().ID, 3))
	held := r.claim().Deliveries
	var first []event.Settlement
	for i, outcome := range []event.Outcome{success(), failure()} {
		first = append(first, settle(held[i].Delivery, r.tick(), outcome))
	}
	r.record(first...)
	before := []event.DeliveryReport{r.delivery(held[0].Delivery.ID), r.delivery(held[1].Delivery.ID)}
	last := settle(held[2].Delivery, r.tick(), success())
	r.record(append(first, last)...)
	for i := range before {
		same(r.t, "delivery recorded again", r.delivery(held[i].Delivery.ID), before[i])
	}
	sameDelivery(r.t, r.delivery(last.Delivery.ID).Delivery, last.Delivery)
}

func recordReasonAgain(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	done := settle(r.claimOne(), r.tick(), gone())
	r.record(done)
	r.activate(s, true, r.tick())
	r.record(done)
	if got := r.subscription(s.ID); !got.Active || got.DisabledReason != "" {
		r.t.Errorf("active is %v and the reason %q: its caller had made it active again since", got.Active, got.DisabledReason)
	}
}
