package storetest

import (
	"slices"
	"strconv"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var gateCases = []testCase{
	{"a paused subscription accepts events, and their deliveries wait until it is resumed", pauseWaits},
	{"parked deliveries are due again at the time of the change that opens the gate", unparkedByTheChange},
	{"a pause is separate from the settings", pauseIsNoSetting},
	{"a second pause keeps the time of the first", pauseTwice},
	{"an unknown subscription can't be paused or resumed", pauseUnknown},
	{"the revision increases with each change, and a change may require a revision", revisions},
	{"a refusal uses no step of the schedule and leaves the due time", refusalUsesNoStep},
	{"a refusal is recorded once", refusalTwice},
	{"deliveries wait until their endpoint is no longer held back", refusalHolds},
	{"a success after a refusal ends the refusals, not the wait", successAfterRefusal},
	{"a long wait parks due deliveries, and probes are unparked first", refusalParks},
	{"deliveries that were refused for too long can be claimed", refusedTooLongPasses},
	{"an endpoint fails and recovers", failsAndRecovers},
	{"the health of a deleted subscription is not kept", healthOfDeleted},
	{"the lease of a parked delivery never runs out, and no node can take it", parkedLease},
	{"parked deliveries are pending, and counted", parkedIsCounted},
	{"a parked delivery can be cancelled", parkedCancels},
	{"a deletion cancels parked deliveries", parkedDeletes},
	{"a claim parks a limited number, and other subscriptions get their turn", parkInSteps},
	{"a claim parks a limited number of all subscriptions together", parkInAll},
	{"parked deliveries are unparked in steps, oldest first", unparkInSteps},
	{"one subscription's parked deliveries do not delay another's", unparkFair},
	{"deliveries that wait in a pause for longer than the retention are cancelled", pauseForgotten},
}

// refuse returns the settlement of an attempt that the endpoint refuses with Retry-After.
func refuse(d event.Delivery, started time.Time, after time.Duration) event.Settlement {
	s := settle(d, started, event.Outcome{StatusCode: 429, Code: event.CodeStatus, Error: "the endpoint responded with 429", RetryAfter: after})
	s.Health = event.HealthChange{Kind: event.HealthRefused, StartedAt: started, At: started, RetryAfter: after}
	return s
}

// parked returns the delivery as it is once it is parked.
func parked(d event.Delivery) event.Delivery {
	d.LeaseOwner, d.LeasedUntil = event.ParkedOwner, event.ParkedUntil
	return d
}

func (r rig) pause(id event.ID, by, reason string) event.Subscription {
	r.t.Helper()
	s, err := r.s.PauseSubscription(r.t.Context(), id, event.Pause{At: r.tick(), By: by, Reason: reason})
	r.must("pause", err)
	return s
}

func (r rig) resume(id event.ID) event.Subscription {
	r.t.Helper()
	s, err := r.s.ResumeSubscription(r.t.Context(), id, r.tick())
	r.must("resume", err)
	return s
}

func (r rig) unpark(now time.Time, limit int) int {
	r.t.Helper()
	n, err := r.s.Unpark(r.t.Context(), now, limit)
	r.must("unpark", err)
	return n
}

func idsOf(list []event.Acceptance) []event.ID {
	ids := make([]event.ID, len(list))
	for i, a := range list {
		ids[i] = a.Deliveries[0].ID
	}
	return ids
}

func pauseWaits(r rig) {
	s := r.subscribe()
	before := r.accept(s.ID)
	r.pause(s.ID, "support", "maintenance")
	during := r.accept(s.ID)
	for range 2 {
		if got := r.claim(); len(got.Deliveries) > 0 || got.More || !got.NextDue.IsZero() {
			r.t.Errorf("a claim got %d of a paused subscription; more is %v, next due %v", len(got.Deliveries), got.More, got.NextDue)
		}
	}
	if n := r.unpark(r.now.Add(day), 100); n != 0 {
		r.t.Errorf("%d deliveries of a paused subscription became due", n)
	}
	r.resume(s.ID)
	same(r.t, "claimed after the pause", ids(r.claim()), idsOf([]event.Acceptance{before, during}))
}

// unparkedByTheChange makes changes an hour later than the machine's clock has it.
func unparkedByTheChange(r rig) {
	later := r.now.Add(time.Hour)
	for what, open := range map[string]func(event.Subscription) error{
		"resume": func(s event.Subscription) error {
			_, err := r.s.ResumeSubscription(r.t.Context(), s.ID, later)
			return err
		},
		"replace": func(s event.Subscription) error {
			s.Active, s.UpdatedAt, s.Revision = true, later, 0
			_, err := r.s.ReplaceSubscription(r.t.Context(), s)
			return err
		},
	} {
		s := r.subscribe()
		waits := r.accept(s.ID, due(r.now.Add(30*time.Minute)))
		if what == "resume" {
			r.pause(s.ID, "support", "maintenance")
		} else {
			r.activate(s, false, r.tick())
		}
		if got := r.claim(asOf(later)); len(got.Deliveries) > 0 || got.Parked != 1 {
			r.t.Errorf("%s: claimed %d deliveries and parked %d, want to park the one that is due", what, len(got.Deliveries), got.Parked)
		}
		r.must(what, open(s))
		same(r.t, "claimed after "+what, ids(r.claim(asOf(later))), idsOf([]event.Acceptance{waits}))
	}
}

func pauseIsNoSetting(r rig) {
	s := r.subscribe(full)
	got := r.pause(s.ID, "support", "maintenance")
	if got.PausedAt.IsZero() || got.PausedBy != "support" || got.PausedReason != "maintenance" {
		r.t.Errorf("paused at %v by %q because %q", got.PausedAt, got.PausedBy, got.PausedReason)
	}
	same(r.t, "as it is read", r.subscription(s.ID), got)
	want := s
	want.PausedAt, want.PausedBy, want.PausedReason = got.PausedAt, got.PausedBy, got.PausedReason
	same(r.t, "the rest", got, want)

	edited := s
	edited.Description, edited.PausedAt = "other", time.Time{}
	after, err := r.s.ReplaceSubscription(r.t.Context(), edited)
	r.must("replace", err)
	if !after.PausedAt.Equal(got.PausedAt) {
		r.t.Error("a replacement ended the pause")
	}
	got = r.resume(s.ID)
	want = edited
	want.Revision++
	same(r.t, "resumed", got, want)
	same(r.t, "resumed again", r.resume(s.ID), want)
}

func pauseTwice(r rig) {
	s := r.subscribe()
	first, second := r.pause(s.ID, "a", "one"), r.pause(s.ID, "b", "two")
	if !second.PausedAt.Equal(first.PausedAt) || second.PausedBy != "b" || second.PausedReason != "two" {
		r.t.Errorf("first %v, then %v by %q because %q", first.PausedAt, second.PausedAt, second.PausedBy, second.PausedReason)
	}
}

func pauseUnknown(r rig) {
	deleted := r.subscribe()
	r.delete(deleted.ID)
	for _, id := range []event.ID{deleted.ID, event.NewID(r.now)} {
		_, err := r.s.PauseSubscription(r.t.Context(), id, event.Pause{At: r.tick()})
		r.mustFail("pause", err, event.ErrNotFound)
		_, err = r.s.ResumeSubscription(r.t.Context(), id, r.tick())
		r.mustFail("resume", err, event.ErrNotFound)
	}
}

func revisions(r rig) {
	s := r.subscribe()
	if got := r.subscription(s.ID).Revision; got != 1 {
		r.t.Fatalf("the first revision is %d", got)
	}
	s.Description = "second"
	after, err := r.s.ReplaceSubscription(r.t.Context(), s)
	r.must("replace", err)
	if after.Revision != 2 {
		r.t.Errorf("the second revision is %d", after.Revision)
	}
	s.Description = "lost update"
	_, err = r.s.ReplaceSubscription(r.t.Context(), s)
	r.mustFail("replace the first revision", err, event.ErrChanged)
	same(r.t, "subscription", r.subscription(s.ID), after)
	r.mustFail("delete the first revision", r.s.DeleteSubscription(r.t.Context(), s.ID, r.tick(), 1), event.ErrChanged)
	s.Revision = 0
	after, err = r.s.ReplaceSubscription(r.t.Context(), s)
	r.must("replace any revision", err)
	if after.Revision != 3 {
		r.t.Errorf("the third revision is %d", after.Revision)
	}
	r.must("delete the third revision", r.s.DeleteSubscription(r.t.Context(), s.ID, r.tick(), 3))
	unknown := s
	unknown.ID = event.NewID(r.now)
	unknown.Revision = 7
	_, err = r.s.ReplaceSubscription(r.t.Context(), unknown)
	r.mustFail("replace an unknown subscription", err, event.ErrNotFound)
}

func refusalUsesNoStep(r rig) {
	for _, edit := range []func(*event.Acceptance){leased("node-a", r.now.Add(time.Minute)), due(r.now)} {
		s := r.subscribe()
		a := r.accept(s.ID, edit)
		d := a.Deliveries[0]
		if d.LeaseOwner == "" {
			d = r.claimOne()
		}
		at := r.now
		for n := 1; n <= 3; n++ {
			one := refuse(d, at, time.Second)
			r.record(one)
			got := r.delivery(d.ID)
			if got.Delivery.RoundFrom != n || got.Delivery.Attempts != n || !got.Delivery.DueAt.Equal(d.DueAt) || got.Delivery.Status != event.Pending {
				r.t.Errorf("after %d refusals: %+v", n, got.Delivery)
			}
			at = r.subscription(s.ID).Health.NotBefore
			d = r.claimOne(asOf(at), until(at.Add(time.Minute)))
		}
		r.record(settle(d, at, failure()))
		if got := r.delivery(d.ID).Delivery; got.Attempts != 4 || got.RoundFrom != 3 || got.DueAt.Before(at.Add(retries[0]*8/10)) || got.DueAt.After(at.Add(retries[0]*12/10)) {
			r.t.Errorf("the first failure after refusals waits until %v, %v after; want the first delay of the schedule", got.DueAt, got.DueAt.Sub(at))
		}
		r.record(settle(r.claimOne(asOf(at.Add(day)), until(at.Add(2*day))), at.Add(day), success()))
	}
}

func refusalTwice(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	one := refuse(r.claimOne(), r.now, 3*time.Second)
	r.record(one)
	first, sub := r.delivery(one.Delivery.ID), r.subscription(s.ID)
	r.record(one)
	same(r.t, "the delivery", r.delivery(one.Delivery.ID), first)
	same(r.t, "the subscription", r.subscription(s.ID), sub)
}

func refusalHolds(r rig) {
	s, other := r.subscribe(), r.subscribe()
	r.acceptAll(r.offers(s.ID, 3))
	d := r.claimOne(limit(1))
	r.record(refuse(d, r.now, 20*time.Second))
	end := r.subscription(s.ID).Health.NotBefore
	if !end.Equal(r.now.Add(20 * time.Second)) {
		r.t.Fatalf("no requests before %v, want 20 s from %v", end, r.now)
	}
	others := r.accept(other.ID)
	got := r.claim(asOf(end.Add(-time.Microsecond)), until(end.Add(time.Minute)))
	same(r.t, "claimed during the wait", ids(got), idsOf([]event.Acceptance{others}))
	if !got.NextDue.Equal(end) || got.More || got.Parked > 0 {
		r.t.Errorf("the next may be claimed at %v, want %v; more is %v, parked %d", got.NextDue, end, got.More, got.Parked)
	}
	if n := len(r.claim(asOf(end), until(end.Add(time.Minute))).Deliveries); n != 3 {
		r.t.Errorf("claimed %d when the wait was over, want 3", n)
	}
}

func successAfterRefusal(r rig) {
	s := r.subscribe()
	r.acceptAll(r.offers(s.ID, 2))
	both := r.claim().Deliveries
	r.record(refuse(both[0].Delivery, r.now, 20*time.Second))
	at := r.now.Add(time.Second)
	done := settle(both[1].Delivery, at, success())
	done.Health = event.HealthChange{Kind: event.HealthRecovered, StartedAt: r.now, At: at}
	r.record(done)
	want := event.Health{NotBefore: r.now.Add(20 * time.Second), ChangedAt: at}
	same(r.t, "health", r.subscription(s.ID).Health, want)
	if n := len(r.claim(asOf(at), until(at.Add(time.Minute))).Deliveries); n != 0 {
		r.t.Errorf("claimed %d while the endpoint is held back", n)
	}
}

func refusalParks(r rig) {
	s := r.subscribe()
	all := r.offers(s.ID, 30)
	for i := range all {
		all[i].Deliveries[0].DueAt = r.now.Add(-time.Duration(30-i) * time.Millisecond)
	}
	r.acceptAll(all)
	d := r.claimOne(limit(1))
	r.record(refuse(d, r.now, time.Hour))
	now := r.now.Add(2 * time.Second)
	if got := r.claim(asOf(now), until(now.Add(12*time.Second))); got.Parked != 30 || len(got.Deliveries) > 0 || got.More {
		r.t.Fatalf("%d are parked and %d claimed, more is %v", got.Parked, len(got.Deliveries), got.More)
	}
	end := r.subscription(s.ID).Health.NotBefore
	if n := r.unpark(end.Add(-time.Second), 100); n != 0 {
		r.t.Errorf("%d became due while the endpoint is held back", n)
	}
	if n := r.unpark(end, 100); n == 0 || n > 10 {
		r.t.Errorf("%d became due as probes", n)
	}
	first := r.claim(asOf(end), until(end.Add(time.Minute))).Deliveries
	if len(first) == 0 || first[0].Delivery.ID != all[0].Deliveries[0].ID {
		r.t.Fatal("the delivery that was due first is not the first probe")
	}
	done := settle(first[0].Delivery, end, success())
	done.Health = event.HealthChange{Kind: event.HealthRecovered, StartedAt: end, At: end}
	r.record(done)
	if n := r.unpark(end, 100) + len(first); n != 30 {
		r.t.Errorf("%d of 30 have become due after a success", n)
	}
}

func refusedTooLongPasses(r rig) {
	s := r.subscribe()
	old, young := r.accept(s.ID), r.accept(s.ID, due(r.now.Add(2*time.Hour)))
	d := r.claimOne(limit(1))
	r.record(refuse(d, r.now, 10*time.Second))
	end := r.now.Add(event.MaxRefused)
	d = r.claimOne(asOf(end.Add(-time.Minute)), until(end), limit(1))
	r.record(refuse(d, end.Add(-time.Minute), 10*time.Hour))
	now := end.Add(time.Minute)
	r.claim(asOf(now.Add(-61*time.Second)), until(now)) // parks
	r.unpark(now, 100)
	same(r.t, "claimed although the endpoint is held back", ids(r.claim(asOf(now), until(now.Add(time.Second)))), idsOf([]event.Acceptance{old}))
	if got := r.delivery(young.Deliveries[0].ID).Delivery; got.Status != event.Pending {
		r.t.Errorf("the delivery that was due later is %v", got.Status)
	}
}

func failsAndRecovers(r rig) {
	s := r.subscribe()
	for i := range 2 {
		at := r.now.Add(time.Duration(i) * time.Hour)
		r.accept(s.ID, due(at))
		one := settle(r.claimOne(asOf(at), until(at.Add(time.Minute))), at, failure())
		one.Health = event.HealthChange{Kind: event.HealthFailing, StartedAt: at, At: at}
		r.record(one)
		same(r.t, "failing", r.subscription(s.ID).Health, event.Health{Failing: true, FailingSince: at, ChangedAt: at})
		later := at.Add(10 * time.Minute)
		done := settle(r.claimOne(asOf(later), until(later.Add(time.Minute))), later, success())
		done.Health = event.HealthChange{Kind: event.HealthRecovered, StartedAt: later, At: later}
		r.record(done)
		same(r.t, "recovered", r.subscription(s.ID).Health, event.Health{ChangedAt: later})
	}
}

func healthOfDeleted(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	d := r.claimOne()
	r.delete(s.ID)
	r.record(refuse(d, r.now, time.Hour))
	if got := r.delivery(d.ID).Delivery; got.Status != event.Cancelled || got.Attempts != 1 {
		r.t.Errorf("the delivery is %v with %d attempts", got.Status, got.Attempts)
	}
}

// parkOne stores a delivery of a paused subscription and parks it by a claim.
func (r rig) parkOne() (event.Subscription, event.Delivery) {
	r.t.Helper()
	s := r.subscribe()
	a := r.accept(s.ID)
	r.pause(s.ID, "", "")
	if got := r.claim(); got.Parked != 1 {
		r.t.Fatalf("%d are parked", got.Parked)
	}
	same(r.t, "the delivery", r.delivery(a.Deliveries[0].ID).Delivery, parked(a.Deliveries[0]))
	return s, a.Deliveries[0]
}

func parkedLease(r rig) {
	s, d := r.parkOne()
	r.rescued(r.now.Add(3000*day), 0)
	r.release("node-a", d.ID)
	if lost := r.renew("node-a", r.now.Add(day), d.ID); len(lost) != 1 {
		r.t.Error("a node renewed the lease of a parked delivery")
	}
	same(r.t, "the delivery", r.delivery(d.ID).Delivery, parked(d))
	r.resume(s.ID)
	same(r.t, "claimed", ids(r.claim()), []event.ID{d.ID})
}

func parkedIsCounted(r rig) {
	s, _ := r.parkOne()
	r.counted(map[event.Status]int{event.Pending: 1})
	now := r.now.Add(time.Hour)
	depth, err := r.s.Depth(r.t.Context(), now)
	r.must("depth", err)
	same(r.t, "depth of a pause", depth, event.Depth{Pending: 1})
	waiting, err := r.s.Waiting(r.t.Context(), 1)
	r.must("waiting", err)
	same(r.t, "waiting", waiting, event.Waiting{Total: 1, Many: map[event.ID]int{s.ID: 1}})

	held := r.subscribe()
	a := r.accept(held.ID)
	r.record(refuse(r.claimOne(), r.now, 3*time.Hour))
	r.claim()
	same(r.t, "the other one", r.delivery(a.Deliveries[0].ID).Delivery.LeaseOwner, event.ParkedOwner)
	depth, err = r.s.Depth(r.t.Context(), now)
	r.must("depth", err)
	same(r.t, "depth with one whose endpoint refuses", depth, event.Depth{Pending: 2, Due: 1, OldestDue: time.Hour})
}

func parkedCancels(r rig) {
	_, d := r.parkOne()
	got, err := r.s.Cancel(r.t.Context(), d.ID, r.tick())
	r.must("cancel", err)
	if got.Status != event.Cancelled || got.LeaseOwner != "" {
		r.t.Errorf("it is %v with the lease of %q", got.Status, got.LeaseOwner)
	}
}

func parkedDeletes(r rig) {
	s, d := r.parkOne()
	r.delete(s.ID)
	if got := r.delivery(d.ID).Delivery; got.Status != event.Cancelled || got.LeaseOwner != "" {
		r.t.Errorf("it is %v with the lease of %q", got.Status, got.LeaseOwner)
	}
}

func parkInSteps(r rig) {
	const many = event.MaxParked + 500
	s, others := r.subscribe(), r.subscriptions(20)
	r.acceptAll(r.offers(s.ID, many))
	r.pause(s.ID, "", "")
	for _, other := range others {
		r.acceptAll(r.offers(other, 10))
	}
	sum, claimed := 0, map[event.ID]int{}
	for n := 0; sum < many || len(claimed) < 20; n++ {
		got := r.claim(limit(40), capacity(2))
		if got.Parked > event.MaxParked || n > 100 {
			r.t.Fatalf("claim %d parked %d, %d in all", n, got.Parked, sum)
		}
		sum += got.Parked
		for id, n := range perSubscription(got) {
			claimed[id] += n
		}
		if n == 0 && len(claimed) != 20 {
			r.t.Errorf("the first claim got deliveries of %d subscriptions, want each of 20", len(claimed))
		}
	}
	if claimed[s.ID] > 0 || sum != many {
		r.t.Errorf("%d were claimed of the paused one, and %d parked", claimed[s.ID], sum)
	}
}

func parkInAll(r rig) {
	subs := r.subscriptions(3)
	for _, id := range subs {
		r.acceptAll(r.offers(id, 600))
		r.pause(id, "", "")
	}
	for _, want := range []int{event.MaxParked, 1800 - event.MaxParked, 0} {
		if got := r.claim(limit(100)); got.Parked != want {
			r.t.Errorf("a claim parked %d, want %d", got.Parked, want)
		}
	}
}

func unparkInSteps(r rig) {
	s := r.subscribe()
	all := r.offers(s.ID, 1250)
	for i := range all {
		all[i].Deliveries[0].DueAt = r.now.Add(-time.Duration(i) * time.Millisecond)
	}
	r.acceptAll(all)
	slices.Reverse(all)
	r.pause(s.ID, "", "")
	for r.claim(limit(2000)).Parked > 0 {
	}
	r.resume(s.ID) // unparks 1,000 at once
	for _, want := range []int{100, 100, 50, 0} {
		if n := r.unpark(r.now, 100); n != want {
			r.t.Errorf("%d became due, want %d", n, want)
		}
	}
	same(r.t, "in the order of their due times", ids(r.claim(limit(2000), capacity(2000))), idsOf(all))
}

func unparkFair(r rig) {
	subs := r.subscriptions(3)
	for _, id := range subs {
		r.acceptAll(r.offers(id, 1100))
		r.pause(id, strconv.Itoa(len(subs)), "")
	}
	for r.claim(limit(4000)).Parked > 0 {
	}
	for _, id := range subs {
		r.resume(id) // leaves 100 of each parked
	}
	sum := 0
	for range 8 {
		sum += r.unpark(r.now, 40)
	}
	if sum != 300 {
		r.t.Errorf("%d of 300 became due", sum)
	}
}

func pauseForgotten(r rig) {
	s, other := r.subscribe(), r.subscribe()
	old, parkedOld := r.accept(s.ID), r.accept(s.ID)
	r.pause(s.ID, "", "")
	if got := r.claim(limit(1)); len(got.Deliveries) > 0 {
		r.t.Fatal("claimed one of a paused subscription")
	}
	kept := r.accept(other.ID)
	young := r.accept(s.ID, func(a *event.Acceptance) {
		at := r.now.Add(9 * day)
		a.Event.ID, a.Event.CreatedAt = event.NewID(at), at
		d := &a.Deliveries[0]
		d.ID, d.EventID, d.CreatedAt, d.DueAt = event.DeliveryID(a.Event.ID, s.ID), a.Event.ID, at, at
	})
	for r.expire(8, 100) > 0 {
	}
	for id, want := range map[event.ID]event.Status{
		old.Deliveries[0].ID: event.Cancelled, parkedOld.Deliveries[0].ID: event.Cancelled,
		kept.Deliveries[0].ID: event.Pending, young.Deliveries[0].ID: event.Pending,
	} {
		if got := r.delivery(id).Delivery; got.Status != want || want == event.Cancelled && got.LeaseOwner != "" {
			r.t.Errorf("delivery %s is %v with the lease of %q, want %v", id, got.Status, got.LeaseOwner, want)
		}
	}
}
