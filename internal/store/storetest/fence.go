package storetest

import (
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var fenceCases = []testCase{
	{"a late failure leaves a settled delivery as it is", fenceSettled},
	{"a late success makes a failed delivery delivered", lateSuccess},
	{"an attempt that another one has overtaken uses no step of the schedule", fenceOvertaken},
	{"an attempt counts although its delivery was claimed again", fenceClaimedAway},
	{"a late failure leaves a cancelled delivery cancelled", fenceCancelled},
	{"a settlement with too many attempts leaves the row as it is", fenceAhead},
	{"recording a settlement again changes nothing", recordAgain},
	{"recording a reason again does not disable again", recordReasonAgain},
	{"a stray settlement does not keep others from being written", fenceNeighbours},
}

// strays records a settlement that must not pass the fence, twice. It checks that the attempt
// counts once, and not as a step of the schedule.
func (r rig) strays(late event.Settlement) event.Delivery {
	r.t.Helper()
	before := r.delivery(late.Delivery.ID)
	want := event.Apply(before.Delivery, late)
	if want.Stray != before.Delivery.Stray+1 {
		r.t.Fatalf("the attempt is no stray: %+v", before.Delivery)
	}
	late.Attempt.Number = want.Attempts
	for range 2 {
		r.record(late)
		after := r.delivery(late.Delivery.ID)
		sameDelivery(r.t, after.Delivery, want)
		same(r.t, "attempts", after.Attempts, append(before.Attempts, late.Attempt))
	}
	return want
}

func fenceSettled(r rig) {
	for _, tt := range []struct {
		first event.Outcome
		late  []event.Outcome
	}{
		{success(), []event.Outcome{failure(), success()}},
		{event.Outcome{Code: event.CodeBlocked, Error: "not a public address"}, []event.Outcome{failure(), failure()}},
	} {
		r.accept(r.subscribe().ID)
		held := r.claimOne()
		done := settle(held, r.tick(), tt.first)
		r.record(done)
		for _, late := range tt.late {
			if got := r.strays(settle(held, r.tick(), late)); got.Status != done.Delivery.Status || !got.SettledAt.Equal(done.Delivery.SettledAt) {
				r.t.Errorf("a late attempt made it %v at %v", got.Status, got.SettledAt)
			}
		}
	}
}

func lateSuccess(r rig) {
	r.accept(r.subscribe().ID)
	held := r.claimOne()
	r.record(settle(held, r.tick(), event.Outcome{Code: event.CodeBlocked, Error: "not a public address"}))
	r.strays(settle(held, r.tick(), success()))
	r.counted(map[event.Status]int{event.Delivered: 1})
}

// The first node was suspended until its lease had run out. Meanwhile the second node has made an
// attempt.
func fenceOvertaken(r rig) {
	r.accept(r.subscribe().ID)
	paused := r.claimOne(owner("node-a"))
	r.rescued(r.now.Add(2*time.Minute), 1)
	retry := settle(r.claimOne(owner("node-b"), asOf(r.now.Add(2*time.Minute))), r.tick(), failure())
	r.record(retry)
	r.strays(settle(paused, r.tick(), failure()))
	second := r.claimOne(owner("node-b"), asOf(retry.Delivery.DueAt.Add(time.Minute)))
	r.strays(settle(paused, r.tick(), failure())) // node-b must keep its lease
	last := settle(second, r.tick(), failure())
	want := event.Apply(r.delivery(second.ID).Delivery, last)
	if want.Status != event.Pending {
		r.t.Errorf("the second step of the schedule is gone: the delivery is %v", want.Status)
	}
	r.record(last)
	same(r.t, "delivery", r.delivery(second.ID).Delivery, want)
	r.strays(settle(paused, r.tick(), success())) // the endpoint has it, so it is not sent again
	r.counted(map[event.Status]int{event.Delivered: 1})
}

// The row still has the number of attempts that it had when it was claimed, so the first
// node's settlement passes the fence, and the second one's attempt is the stray.
func fenceClaimedAway(r rig) {
	r.accept(r.subscribe().ID)
	paused := r.claimOne(owner("node-a"))
	r.rescued(r.now.Add(2*time.Minute), 1)
	second := r.claimOne(owner("node-b"), asOf(r.now.Add(2*time.Minute)))
	done := settle(paused, r.tick(), success())
	r.record(done)
	sameDelivery(r.t, r.delivery(paused.ID).Delivery, done.Delivery)
	same(r.t, "leases that node-b lost", r.renew("node-b", r.now.Add(time.Hour), second.ID), []event.ID{second.ID})
	r.strays(settle(second, r.tick(), failure()))
	r.counted(map[event.Status]int{event.Delivered: 1})
}

func fenceCancelled(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	held := r.claimOne()
	r.delete(s.ID)
	r.strays(settle(held, r.tick(), failure()))
	r.counted(map[event.Status]int{event.Cancelled: 1})
}

func fenceAhead(r rig) {
	r.accept(r.subscribe().ID)
	ahead := r.claimOne()
	ahead.Attempts = 1
	r.strays(settle(ahead, r.tick(), failure()))
	r.counted(map[event.Status]int{event.Pending: 1})
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

// A caller that does not know whether its settlements were written writes them again.
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
		r.t.Errorf("active is %v and the reason %q, but it was made active again after the first record", got.Active, got.DisabledReason)
	}
}
