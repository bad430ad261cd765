package storetest

import (
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var historyCases = []testCase{
	{"an unknown delivery is not found", unknownDelivery},
	{"an id of another kind is not found", otherKindOfID},
	{"an event's deliveries are found by its id", deliveriesOfEvent},
	{"attempts are newest first, page by page", attemptPages},
	{"attempts of one millisecond are listed once each", attemptsSameMoment},
	{"only attempts of the subscription are listed", attemptsOfOne},
	{"the depth of an empty store is zero", depthEmpty},
	{"depth counts pending deliveries", depthCounts},
	{"waiting deliveries are counted, in all and for subscriptions with many", waitingCounts},
	{"count counts every status", countAll},
}

func (r rig) attempts(subscription, before event.ID, limit int) []event.AttemptReport {
	r.t.Helper()
	page, err := r.s.ListAttempts(r.t.Context(), subscription, before, limit)
	r.must("list attempts", err)
	return page
}

func unknownDelivery(r rig) {
	r.accept(r.subscribe().ID)
	for _, id := range []event.ID{{}, event.NewID(r.now)} {
		_, err := r.s.Delivery(r.t.Context(), id)
		r.mustFail("read an unknown delivery", err, event.ErrNotFound)
	}
}

func otherKindOfID(r rig) {
	a := r.accept(r.subscribe().ID)
	for _, id := range []event.ID{a.Event.ID, a.Deliveries[0].SubscriptionID} {
		_, err := r.s.Delivery(r.t.Context(), id)
		r.mustFail("read a delivery by another id", err, event.ErrNotFound)
	}
	_, err := r.s.Subscription(r.t.Context(), a.Deliveries[0].ID)
	r.mustFail("read a subscription by another id", err, event.ErrNotFound)
	if got := r.attempts(a.Deliveries[0].ID, event.ID{}, 10); len(got) != 0 {
		r.t.Errorf("listed %d attempts by another id", len(got))
	}
}

func deliveriesOfEvent(r rig) {
	find := func(id event.ID, limit int) []event.ID {
		r.t.Helper()
		ids, err := r.s.EventDeliveries(r.t.Context(), id, limit)
		r.must("find an event's deliveries", err)
		return ids
	}
	one, leasedOne := r.accept(r.subscribe().ID), r.accept(r.subscribe().ID, leased("node-a", r.now.Add(time.Minute)))
	many := r.fan(r.subscriptions(4))
	r.acceptOffer(many)
	var all []event.ID
	for _, d := range many.Deliveries {
		all = append(all, d.ID)
	}
	slices.SortFunc(all, func(a, b event.ID) int { return slices.Compare(a[:], b[:]) })
	same(r.t, "delivery that is pending", find(one.Event.ID, 9), []event.ID{one.Deliveries[0].ID})
	same(r.t, "delivery that is leased", find(leasedOne.Event.ID, 9), []event.ID{leasedOne.Deliveries[0].ID})
	same(r.t, "all of several", find(many.Event.ID, 4), all)
	same(r.t, "the first of several", find(many.Event.ID, 3), all[:3])

	r.record(settle(leasedOne.Deliveries[0], r.tick(), success()))
	same(r.t, "delivery that is settled", find(leasedOne.Event.ID, 9), []event.ID{leasedOne.Deliveries[0].ID})

	neighbour := one.Event.ID // its deliveries would have ids in the same range
	neighbour[15] ^= 1
	none := r.fan(nil)
	r.acceptOffer(none)
	for reason, id := range map[string]event.ID{
		"an unknown event": event.NewID(r.now), "an event with ids in the same range": neighbour, "an event without deliveries": none.Event.ID,
		"a delivery": one.Deliveries[0].ID, "a subscription": one.Deliveries[0].SubscriptionID, "no id": {},
	} {
		_, err := r.s.EventDeliveries(r.t.Context(), id, 9)
		r.mustFail("find deliveries of "+reason, err, event.ErrNotFound)
	}
}

// attempted makes n attempts, each of a different delivery, and returns their reports,
// newest first.
func (r rig) attempted(subscription event.ID, n int, when func() time.Time) []event.AttemptReport {
	r.t.Helper()
	r.acceptAll(r.offers(subscription, n))
	var settlements []event.Settlement
	var want []event.AttemptReport
	for _, c := range r.claim().Deliveries {
		s := settle(c.Delivery, when(), success())
		settlements = append(settlements, s)
		want = append(want, event.AttemptReport{Attempt: s.Attempt, EventID: c.Event.ID, EventType: c.Event.Type})
	}
	r.record(settlements...)
	slices.SortFunc(want, func(a, b event.AttemptReport) int { return slices.Compare(b.Attempt.ID[:], a.Attempt.ID[:]) })
	return want
}

// pages reads all of a subscription's attempts, page by page.
func (r rig) pages(subscription event.ID, limit int) (all []event.AttemptReport, sizes []int) {
	r.t.Helper()
	for before := (event.ID{}); ; before = all[len(all)-1].Attempt.ID {
		page := r.attempts(subscription, before, limit)
		sizes = append(sizes, len(page))
		if len(page) == 0 {
			return all, sizes
		}
		all = append(all, page...)
	}
}

func attemptPages(r rig) {
	s := r.subscribe()
	same(r.t, "attempts before the first", r.attempts(s.ID, event.ID{}, 10), []event.AttemptReport{})
	want := r.attempted(s.ID, 7, r.tick)
	got, sizes := r.pages(s.ID, 3)
	same(r.t, "attempts", got, want)
	same(r.t, "sizes of the pages", sizes, []int{3, 3, 1, 0})
}

func attemptsSameMoment(r rig) {
	s := r.subscribe()
	want := r.attempted(s.ID, 20, func() time.Time { return r.now })
	got, _ := r.pages(s.ID, 3)
	same(r.t, "attempts", got, want)
}

func attemptsOfOne(r rig) {
	a, b := r.subscribe(), r.subscribe()
	ofA, ofB := r.attempted(a.ID, 2, r.tick), r.attempted(b.ID, 3, r.tick)
	same(r.t, "attempts of the first", r.attempts(a.ID, event.ID{}, 10), ofA)
	same(r.t, "attempts of the second", r.attempts(b.ID, event.ID{}, 10), ofB)
	same(r.t, "attempts of an unknown one", r.attempts(event.NewID(r.now), event.ID{}, 10), []event.AttemptReport{})
	same(r.t, "older than the other's", r.attempts(b.ID, ofA[0].Attempt.ID, 10), []event.AttemptReport{})
}

func (r rig) depth(now time.Time) event.Depth {
	r.t.Helper()
	d, err := r.s.Depth(r.t.Context(), now)
	r.must("measure the depth", err)
	return d
}

func depthEmpty(r rig) {
	same(r.t, "depth", r.depth(r.now), event.Depth{})
}

func depthCounts(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	r.record(settle(r.claimOne(), r.tick(), success()))
	r.accept(s.ID, due(r.now.Add(-time.Hour)), leased("node-a", r.now.Add(time.Minute)))
	r.accept(s.ID, due(r.now.Add(time.Hour)))
	same(r.t, "depth with nothing due", r.depth(r.now), event.Depth{Pending: 2, Leased: 1})
	r.accept(s.ID, due(r.now.Add(-time.Second)))
	r.accept(s.ID, due(r.now.Add(-90*time.Second)))
	r.accept(s.ID, due(r.now))
	same(r.t, "depth", r.depth(r.now), event.Depth{Pending: 5, Leased: 1, Due: 3, OldestDue: 90 * time.Second})
	same(r.t, "depth an hour later", r.depth(r.now.Add(time.Hour)),
		event.Depth{Pending: 5, Leased: 1, Due: 4, OldestDue: time.Hour + 90*time.Second})
	r.delete(s.ID)
	same(r.t, "depth when all is cancelled", r.depth(r.now), event.Depth{})
}

func waitingCounts(r rig) {
	count := func(many int) event.Waiting {
		w, err := r.s.Waiting(r.t.Context(), many)
		r.must("count waiting deliveries", err)
		return w
	}
	same(r.t, "an empty store", count(0), event.Waiting{Many: map[event.ID]int{}})
	one, few, many := r.subscribe(), r.subscribe(), r.subscribe()
	r.accept(one.ID)
	r.record(settle(r.claimOne(), r.tick(), success())) // settled, so it no longer waits
	r.accept(one.ID, leased("node-a", r.now.Add(time.Minute)))
	r.acceptAll(r.offers(few.ID, 2))
	r.acceptAll(r.offers(many.ID, 4))
	r.accept(many.ID, due(r.now.Add(time.Hour))) // it counts although it is not due
	same(r.t, "from none", count(0), event.Waiting{Total: 7, Many: map[event.ID]int{few.ID: 2, many.ID: 5}})
	same(r.t, "from five", count(5), event.Waiting{Total: 7, Many: map[event.ID]int{many.ID: 5}})
	same(r.t, "from six", count(6), event.Waiting{Total: 7, Many: map[event.ID]int{}})
	r.delete(many.ID)
	same(r.t, "when one is deleted", count(1), event.Waiting{Total: 2, Many: map[event.ID]int{few.ID: 2}})
}

func countAll(r rig) {
	r.counted(nil)
	doomed, s := r.subscribe(), r.subscribe()
	r.accept(doomed.ID)
	r.delete(doomed.ID)
	r.acceptAll(r.offers(s.ID, 10))
	var settlements []event.Settlement
	for i, c := range r.claim(limit(9)).Deliveries {
		outcome := []event.Outcome{success(), success(), {Code: event.CodeBlocked, Error: "not a public address"}}[i%3]
		settlements = append(settlements, settle(c.Delivery, r.tick(), outcome))
	}
	r.record(settlements...)
	r.counted(map[event.Status]int{event.Pending: 1, event.Delivered: 6, event.Failed: 3, event.Cancelled: 1})
}
