package storetest

import (
	"bytes"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var recordCases = []testCase{
	{"a success settles the delivery", recordSuccess},
	{"a final failure settles the delivery", recordFinal},
	{"a retry waits until it is due", recordRetry},
	{"attempts are counted until none is left", recordToTheEnd},
	{"an attempt comes back with every field", attemptWhole},
	{"attempts are in the order in which they were made, whatever the clock says", attemptsInOrder},
	{"many settlements in one call", recordMany},
	{"nothing to record is no error", recordNothing},
	{"a reason makes the subscription inactive", recordDisables},
	{"a reason leaves the other subscriptions active", recordDisablesOne},
	{"a reason for a deleted subscription does no harm", recordDisablesDeleted},
}

func recordSuccess(r rig) {
	r.accept(r.subscribe().ID)
	done := settle(r.claimOne(), r.tick(), success())
	r.record(done)
	got := r.delivery(done.Delivery.ID)
	sameDelivery(r.t, got.Delivery, done.Delivery)
	same(r.t, "attempts", got.Attempts, []event.Attempt{done.Attempt})
	r.counted(map[event.Status]int{event.Delivered: 1})
	r.rescued(r.now.Add(24*time.Hour), 0)
	same(r.t, "claim a day later", r.claim(asOf(r.now.Add(24*time.Hour))), event.Claim{})
}

func recordFinal(r rig) {
	r.accept(r.subscribe().ID)
	blocked := event.Outcome{Code: event.CodeBlocked, Peer: "10.0.0.1:443", Error: "10.0.0.1 is not a public address"}
	done := settle(r.claimOne(), r.tick(), blocked)
	r.record(done)
	sameDelivery(r.t, r.delivery(done.Delivery.ID).Delivery, done.Delivery)
	r.counted(map[event.Status]int{event.Failed: 1})
	same(r.t, "claim a day later", r.claim(asOf(r.now.Add(24*time.Hour))), event.Claim{})
}

func recordRetry(r rig) {
	r.accept(r.subscribe().ID)
	retry := settle(r.claimOne(), r.now, failure())
	r.record(retry)
	sameDelivery(r.t, r.delivery(retry.Delivery.ID).Delivery, retry.Delivery)
	at := retry.Delivery.DueAt
	same(r.t, "claim before it is due", r.claim(), event.Claim{NextDue: at})
	r.rescued(at.Add(-time.Microsecond), 0)
	if got := r.claimOne(asOf(at), owner("node-b")); got.ID != retry.Delivery.ID || got.Attempts != 1 || !got.DueAt.Equal(at) {
		r.t.Errorf("claimed %v with %d attempts, due %v; want %v with 1, due %v", got.ID, got.Attempts, got.DueAt, retry.Delivery.ID, at)
	}
}

func recordToTheEnd(r rig) {
	a := r.accept(r.subscribe().ID)
	var want []event.Attempt
	last, now := event.Settlement{}, r.now
	for range len(retries) + 1 {
		last = settle(r.claimOne(asOf(now)), now, failure())
		r.record(last)
		want = append(want, last.Attempt)
		now = last.Delivery.DueAt
	}
	got := r.delivery(a.Deliveries[0].ID)
	if got.Delivery.Status != event.Failed {
		r.t.Errorf("after %d attempts the delivery is %v, want failed", len(want), got.Delivery.Status)
	}
	sameDelivery(r.t, got.Delivery, last.Delivery)
	same(r.t, "attempts", got.Attempts, want)
}

func attemptWhole(r rig) {
	s := r.subscribe()
	for _, tt := range []struct {
		reason string
		o      event.Outcome
	}{
		{"every field at once", event.Outcome{
			Phases: event.Phases{
				DNS: time.Millisecond, Connect: 2500 * time.Microsecond, TLS: 3 * time.Millisecond, FirstByte: time.Microsecond,
			},
			Peer: "[2001:db8::1]:443", StatusCode: 503, Code: event.CodeStatus,
			Error:    "the endpoint responded with 503: „später“ 🚧\n",
			Response: everyByte(),
		}},
		{"a response of the maximum size", event.Outcome{StatusCode: 200, Response: bytes.Repeat([]byte{0xff, 0}, event.ExcerptLimit/2)}},
		{"no response", event.Outcome{Code: event.CodeTimeout, Error: "no response within 10s"}},
		{"only a status code", event.Outcome{StatusCode: 204}},
	} {
		r.accept(s.ID)
		done := settle(r.claimOne(), r.tick(), tt.o)
		r.record(done)
		got := r.delivery(done.Delivery.ID)
		same(r.t, tt.reason+": attempts", got.Attempts, []event.Attempt{done.Attempt})
		newest := r.attempts(s.ID, event.ID{}, 1)
		same(r.t, tt.reason+": newest attempt of the subscription", newest,
			[]event.AttemptReport{{Attempt: done.Attempt, EventID: done.Delivery.EventID, EventType: got.EventType}})
		if len(got.Attempts) == 1 && len(newest) == 1 {
			inUTC(r.t, map[string]time.Time{
				"StartedAt": got.Attempts[0].Outcome.StartedAt, "SettledAt": got.Delivery.SettledAt,
				"StartedAt in the list": newest[0].Attempt.Outcome.StartedAt,
			})
		}
	}
}

// If the clock was set back, the second attempt has the smaller id.
func attemptsInOrder(r rig) {
	r.accept(r.subscribe().ID)
	first := settle(r.claimOne(), r.now.Add(time.Hour), failure())
	r.record(first)
	second := settle(r.claimOne(asOf(first.Delivery.DueAt)), r.now, success())
	r.record(second)
	got := r.delivery(first.Delivery.ID)
	same(r.t, "attempts", got.Attempts, []event.Attempt{first.Attempt, second.Attempt})
}

func recordMany(r rig) {
	const each = 30
	subs := r.subscriptions(3)
	offers := make([]event.Acceptance, 3*each)
	for i := range offers {
		offers[i] = r.offer(subs[i%3])
	}
	r.acceptAll(offers)
	var settlements []event.Settlement
	for i, c := range r.claim().Deliveries {
		outcome := []event.Outcome{success(), failure(), {Code: event.CodeBadTarget, Error: "no request can be made"}}[i%3]
		settlements = append(settlements, settle(c.Delivery, r.tick(), outcome))
	}
	r.record(settlements...)
	r.counted(map[event.Status]int{event.Delivered: each, event.Pending: each, event.Failed: each})
	for _, s := range settlements {
		got := r.delivery(s.Delivery.ID)
		sameDelivery(r.t, got.Delivery, s.Delivery)
		same(r.t, "attempts", got.Attempts, []event.Attempt{s.Attempt})
	}
}

func recordNothing(r rig) {
	r.record()
	r.must("record an empty list", r.s.Record(r.t.Context(), []event.Settlement{}))
}

func recordDisables(r rig) {
	s := r.subscribe(full)
	r.activate(s, true, s.UpdatedAt)
	r.accept(s.ID)
	waiting := r.accept(s.ID, due(r.now.Add(time.Second)))
	done := settle(r.claimOne(), r.tick(), gone())
	if done.DisableReason == "" {
		r.t.Fatal("410 Gone has no DisableReason")
	}
	r.record(done)

	got := r.subscription(s.ID)
	if got.Active || got.DisabledReason != done.DisableReason {
		r.t.Errorf("active is %v and the reason %q, want inactive because %q", got.Active, got.DisabledReason, done.DisableReason)
	}
	want := s
	want.Revision += 2 // it was activated and disabled
	want.DisabledReason, want.UpdatedAt, got.UpdatedAt = done.DisableReason, time.Time{}, time.Time{}
	same(r.t, "the rest of the subscription", got, want)
	sameDelivery(r.t, r.delivery(done.Delivery.ID).Delivery, done.Delivery)
	if got := r.claim(asOf(r.now.Add(time.Minute))); len(got.Deliveries) != 0 {
		r.t.Error("a delivery of a disabled subscription can still be claimed")
	}
	same(r.t, "the waiting delivery", r.delivery(waiting.Deliveries[0].ID).Delivery, parked(waiting.Deliveries[0]))
}

func recordDisablesOne(r rig) {
	subs := r.subscriptions(4)
	for _, id := range subs {
		r.accept(id)
	}
	var settlements []event.Settlement
	disabled := []event.ID{subs[1], subs[3]}
	for _, c := range r.claim().Deliveries {
		outcome := success()
		if slices.Contains(disabled, c.Delivery.SubscriptionID) {
			outcome = gone()
		}
		settlements = append(settlements, settle(c.Delivery, r.tick(), outcome))
	}
	r.record(settlements...)
	for i, id := range subs {
		got, want := r.subscription(id), !slices.Contains(disabled, id)
		if got.Active != want || (got.DisabledReason == "") != want {
			r.t.Errorf("subscription %d: active is %v, the reason %q", i, got.Active, got.DisabledReason)
		}
	}
}

func recordDisablesDeleted(r rig) {
	s := r.subscribe(full)
	r.activate(s, true, s.UpdatedAt)
	r.accept(s.ID)
	held := r.claimOne()
	r.delete(s.ID)
	before := r.subscription(s.ID)
	r.record(settle(held, r.tick(), gone()))
	after := r.subscription(s.ID)
	if !after.DeletedAt.Equal(before.DeletedAt) || len(after.Secrets)+len(after.Headers) > 0 {
		r.t.Errorf("the deleted subscription changed: deleted at %v, %d secrets", after.DeletedAt, len(after.Secrets))
	}
}
