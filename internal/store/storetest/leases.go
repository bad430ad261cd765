package storetest

import (
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var leaseCases = []testCase{
	{"renewing extends the lease", renewMoves},
	{"only leases that ran out in a time are ended", rescueRange},
	{"a lease that ran out can be renewed until it is ended", renewLate},
	{"renewing returns lost leases", renewLost},
	{"renewing no leases returns no lost ones", renewNothing},
	{"a released delivery keeps its due time", releaseKeepsDue},
	{"only the owner can release a lease", releaseOthers},
	{"releasing a settled or unknown delivery changes nothing", releaseSettled},
	{"releasing an older lease leaves the newer one", releaseOlder},
	{"renewing an older lease returns it as lost and leaves the newer one", renewOlder},
	{"an older and a newer lease may be in one call", bothInOneCall},
	{"rescue ends leases that ran out, and no others", rescueRanOut},
	{"a rescued delivery is as it was before the claim", rescueRestores},
	{"rescue leaves settled deliveries alone", rescueSettled},
}

func (r rig) renew(owner string, until time.Time, ids ...event.ID) []event.ID {
	r.t.Helper()
	lost, err := r.s.Renew(r.t.Context(), leasesBy(owner, ids), until)
	r.must("renew", err)
	var lostIDs []event.ID
	for _, lease := range lost {
		if lease.Owner != owner {
			r.t.Errorf("lost a lease of %q, which was not renewed", lease.Owner)
		}
		lostIDs = append(lostIDs, lease.Delivery)
	}
	return lostIDs
}

func leasesBy(owner string, ids []event.ID) []event.LeaseKey {
	leases := make([]event.LeaseKey, len(ids))
	for i, id := range ids {
		leases[i] = event.LeaseKey{Delivery: id, Owner: owner}
	}
	return leases
}

func (r rig) release(owner string, ids ...event.ID) {
	r.t.Helper()
	r.must("release", r.s.Release(r.t.Context(), leasesBy(owner, ids)))
}

func (r rig) rescued(now time.Time, want int) {
	r.t.Helper()
	r.rescuedFrom(time.Time{}, now, want)
}

func (r rig) rescuedFrom(from, now time.Time, want int) {
	r.t.Helper()
	got, err := r.s.Rescue(r.t.Context(), from, now)
	r.must("rescue", err)
	if got != want {
		r.t.Errorf("rescued %d deliveries, want %d", got, want)
	}
}

func renewMoves(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	stored := r.accept(s.ID, leased("node-a", r.now.Add(time.Minute)))
	held := r.claimOne(owner("node-a"))
	end := r.now.Add(time.Hour)
	if lost := r.renew("node-a", end, held.ID, stored.Deliveries[0].ID); len(lost) > 0 {
		r.t.Errorf("lost %v", lost)
	}
	want := held
	want.LeasedUntil = end
	same(r.t, "delivery", r.delivery(held.ID).Delivery, want)
	r.rescued(end.Add(-time.Second), 0)
	r.rescued(end.Add(time.Second), 2)
}

func rescueRange(r rig) {
	s := r.subscribe()
	for i := range 4 { // two with rows, and two that a driver may store with their events
		end := r.now.Add(time.Duration(1+i%2) * time.Minute)
		if i < 2 {
			r.accept(s.ID)
			r.claimOne(owner("node-a"), until(end))
		} else {
			r.accept(s.ID, leased("node-a", end))
		}
	}
	late := r.now.Add(time.Hour)
	r.rescuedFrom(r.now.Add(2*time.Minute+time.Second), late, 0)
	r.rescuedFrom(r.now.Add(2*time.Minute), late, 2)
	r.rescuedFrom(r.now.Add(time.Minute), r.now.Add(time.Minute), 0)
	r.rescuedFrom(time.Time{}, late, 2)
}

func renewLate(r rig) {
	r.accept(r.subscribe().ID)
	held := r.claimOne(owner("node-a"), until(r.now.Add(time.Second)))
	if lost := r.renew("node-a", r.now.Add(time.Hour), held.ID); len(lost) > 0 {
		r.t.Errorf("lost %v", lost)
	}
	r.rescued(r.now.Add(time.Minute), 0)
}

func renewLost(r rig) {
	r.acceptAll(r.offers(r.subscribe().ID, 6))
	held := ids(r.claim(owner("node-a")))
	claimed := make(map[event.ID]event.Delivery)
	for _, id := range held {
		claimed[id] = r.delivery(id).Delivery
	}
	settled, released, retried, claimedAway := held[0], held[1], held[2], held[3]
	r.record(settle(claimed[settled], r.tick(), success()), settle(claimed[retried], r.tick(), failure()))
	r.release("node-a", released)
	r.renew("node-a", r.now.Add(time.Hour), held[4], held[5])
	r.rescued(r.now.Add(2*time.Minute), 1)
	taken := ids(r.claim(owner("node-b"), asOf(r.now.Add(2*time.Minute)), capacity(2)))
	if !slices.Contains(taken, claimedAway) {
		r.t.Fatalf("node-b claimed %v, want the rescued delivery among them", taken)
	}

	unknown := event.NewID(r.now)
	lost := r.renew("node-a", r.now.Add(4*time.Hour), append(slices.Clone(held), unknown)...)
	want := []event.ID{settled, released, retried, claimedAway, unknown}
	sameSet(r, "lost leases", lost, want)
	for _, id := range taken {
		if d := r.delivery(id).Delivery; d.LeaseOwner != "node-b" || !d.LeasedUntil.Equal(r.now.Add(3*time.Minute)) {
			r.t.Errorf("node-b's lease became %s's until %v", d.LeaseOwner, d.LeasedUntil)
		}
	}
}

// offers returns n offers for one subscription, all due now.
func (r rig) offers(subscription event.ID, n int) []event.Acceptance {
	all := make([]event.Acceptance, n)
	for i := range all {
		all[i] = r.offer(subscription)
	}
	return all
}

func sameSet(r rig, what string, got, want []event.ID) {
	r.t.Helper()
	compare := func(a, b event.ID) int { return slices.Compare(a[:], b[:]) }
	same(r.t, what, slices.SortedFunc(slices.Values(got), compare), slices.SortedFunc(slices.Values(want), compare))
}

func renewNothing(r rig) {
	if lost := r.renew("node-a", r.now); len(lost) > 0 {
		r.t.Errorf("lost %v", lost)
	}
}

func releaseKeepsDue(r rig) {
	a := r.accept(r.subscribe().ID, due(r.now.Add(-90*time.Second)))
	held := r.claimOne(owner("node-a"))
	r.release("node-a", held.ID)
	same(r.t, "delivery", r.delivery(held.ID).Delivery, a.Deliveries[0])
	if got := r.claimOne(owner("node-b")); got.ID != held.ID || got.Attempts != 0 {
		r.t.Errorf("claimed %v with %d attempts, want %v with none", got.ID, got.Attempts, held.ID)
	}
}

func releaseOthers(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	mine := r.claimOne(owner("node-a"))
	r.accept(s.ID)
	theirs := r.claimOne(owner("node-b"))
	r.release("node-b", mine.ID, theirs.ID)
	same(r.t, "delivery of node-a", r.delivery(mine.ID).Delivery, mine)
	same(r.t, "claimed again", ids(r.claim()), []event.ID{theirs.ID})
}

func releaseSettled(r rig) {
	r.accept(r.subscribe().ID)
	held := r.claimOne(owner("node-a"))
	r.record(settle(held, r.tick(), success()))
	before := r.delivery(held.ID)
	r.release("node-a", held.ID, event.NewID(r.now))
	r.release("node-a")
	same(r.t, "settled delivery", r.delivery(held.ID), before)
	same(r.t, "claim", r.claim(), event.Claim{})
}

// leasedAgain returns a delivery during its first lease, with which it was stored, during its
// second, and during its third. The first two have run out.
func (r rig) leasedAgain() (first, second, third event.Delivery) {
	r.t.Helper()
	first = r.accept(r.subscribe().ID, leased("node-a", r.now.Add(time.Second))).Deliveries[0]
	r.rescued(r.now.Add(time.Minute), 1)
	second = r.claimOne(owner("node-a/1"), until(r.now.Add(2*time.Second)))
	r.rescued(r.now.Add(time.Minute), 1)
	third = r.claimOne(owner("node-a/2"), until(r.now.Add(time.Hour)))
	return first, second, third
}

func releaseOlder(r rig) {
	first, second, third := r.leasedAgain()
	for _, older := range []event.Delivery{first, second} {
		r.must("release", r.s.Release(r.t.Context(), []event.LeaseKey{older.LeaseKey()}))
		same(r.t, "delivery after the release of "+older.LeaseOwner, r.delivery(third.ID).Delivery, third)
	}
	r.must("release", r.s.Release(r.t.Context(), []event.LeaseKey{third.LeaseKey()}))
	same(r.t, "claimed again", ids(r.claim()), []event.ID{third.ID})
}

func renewOlder(r rig) {
	first, second, third := r.leasedAgain()
	for _, older := range []event.Delivery{first, second} {
		lost, err := r.s.Renew(r.t.Context(), []event.LeaseKey{older.LeaseKey()}, r.now.Add(2*time.Hour))
		r.must("renew", err)
		same(r.t, "lost", lost, []event.LeaseKey{older.LeaseKey()})
		same(r.t, "delivery after the renewal of "+older.LeaseOwner, r.delivery(third.ID).Delivery, third)
	}
}

func bothInOneCall(r rig) {
	first, second, third := r.leasedAgain()
	all := []event.LeaseKey{second.LeaseKey(), third.LeaseKey(), first.LeaseKey()}
	lost, err := r.s.Renew(r.t.Context(), all, r.now.Add(2*time.Hour))
	r.must("renew", err)
	same(r.t, "lost", lost, []event.LeaseKey{second.LeaseKey(), first.LeaseKey()})
	want := third
	want.LeasedUntil = r.now.Add(2 * time.Hour)
	same(r.t, "delivery after the renewal", r.delivery(third.ID).Delivery, want)
	r.must("release", r.s.Release(r.t.Context(), all))
	same(r.t, "claimed again", ids(r.claim()), []event.ID{third.ID})
}

func rescueRanOut(r rig) {
	s := r.subscribe()
	short := r.accept(s.ID, leased("node-a", r.now.Add(time.Minute)))
	other := r.accept(s.ID, leased("node-b", r.now.Add(time.Minute)))
	long := r.accept(s.ID, leased("node-a", r.now.Add(time.Hour)))
	free := r.accept(s.ID)
	r.rescued(r.now.Add(time.Minute-time.Microsecond), 0)
	r.rescued(r.now.Add(time.Minute+time.Microsecond), 2)
	r.rescued(r.now.Add(time.Minute+time.Microsecond), 0)
	same(r.t, "delivery whose lease continues", r.delivery(long.Deliveries[0].ID).Delivery, long.Deliveries[0])
	sameSet(r, "claimed", ids(r.claim()), []event.ID{short.Deliveries[0].ID, other.Deliveries[0].ID, free.Deliveries[0].ID})
}

func rescueRestores(r rig) {
	r.accept(r.subscribe().ID)
	first := settle(r.claimOne(), r.now, failure())
	r.record(first)
	now := first.Delivery.DueAt
	r.claimOne(asOf(now))
	r.rescued(now.Add(time.Hour), 1)
	got := r.delivery(first.Delivery.ID)
	same(r.t, "rescued delivery", got.Delivery, first.Delivery)
	same(r.t, "attempts", got.Attempts, []event.Attempt{first.Attempt})
}

func rescueSettled(r rig) {
	s := r.subscribe()
	r.accept(s.ID)
	held := r.claimOne()
	r.delete(s.ID)
	before := r.delivery(held.ID)
	r.rescued(r.now.Add(time.Hour), 0)
	after := r.delivery(held.ID)
	if after.Delivery.Status != event.Cancelled || !after.Delivery.SettledAt.Equal(before.Delivery.SettledAt) {
		r.t.Errorf("rescue made a cancelled delivery %v", after.Delivery.Status)
	}
}
