package dispatch

import (
	"context"
	"strconv"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// maxRenew is how many leases one statement renews.
const maxRenew = 512

// laneIdleTimeout is how long a lane without work is remembered, with what it learnt
// about its endpoint.
const laneIdleTimeout = time.Minute

// nextOwner returns the owner of the next claim's leases, which is another one for each
// claim: a renewal or a release of what was claimed before can't touch them, however late
// it reaches the store. The number begins at 1 in each process, whose node name is new.
// The lease that a delivery is stored with (Reserve) has the node name alone, because no
// delivery has two of those.
func (d *Dispatcher) nextOwner() string {
	d.claims++
	return d.o.Node + "/" + strconv.Itoa(d.claims)
}

// tendLeases renews the leases that will end soon, and forgets idle lanes.
func (d *Dispatcher) tendLeases(ctx context.Context) {
	d.renew(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lanes.forgetIdle(time.Now(), laneIdleTimeout)
}

// rescue ends the leases of nodes that are no more. It renews before, so that a node
// that slept, or could not renew, does not take from itself what it works on. The time
// is that before the renewal: a lease that was taken over since ends later, and the clock may
// be set meanwhile.
func (d *Dispatcher) rescue(ctx context.Context) {
	now := time.Now()
	if !d.renew(ctx) {
		return
	}
	rescued, err := d.o.Store.Rescue(ctx, now)
	if err != nil {
		d.o.Log.WarnContext(ctx, "could not look for leases that ran out; trying again", "error", err)
	}
	if rescued > 0 {
		d.o.Log.InfoContext(ctx, "took over deliveries whose lease ran out", "deliveries", rescued)
		d.hint()
	}
}

// renew renews the leases of which less than two thirds are left; the rest has
// time until the next turn. It reports whether it could.
func (d *Dispatcher) renew(ctx context.Context) bool {
	for ctx.Err() == nil {
		now := time.Now()
		d.mu.Lock()
		ending := d.leases.expiringBefore(now.Add(d.o.Lease*2/3), maxRenew)
		d.mu.Unlock()
		if len(ending) == 0 {
			return true
		}
		until := now.Add(d.o.Lease)
		lost, err := d.o.Store.Renew(ctx, leaseKeys(ending), until)
		if err != nil {
			d.o.Log.WarnContext(ctx, "could not renew leases; trying again", "error", err, "leases", len(ending))
			return false
		}
		d.noteRenewed(ending, lost, until)
		if len(ending) < maxRenew {
			return true
		}
	}
	return false
}

// noteRenewed notes the new end of leases. What was lost is not to be attempted; what
// was recorded meanwhile is not held any more and counts as lost, which is right.
func (d *Dispatcher) noteRenewed(list []*work, lost []event.LeaseKey, until time.Time) {
	gone := make(map[event.LeaseKey]bool, len(lost))
	for _, lease := range lost {
		gone[lease] = true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range list {
		if w.prev == nil && w.next == nil && d.leases.first != w {
			continue // not held any more
		}
		d.leases.remove(w)
		if w.lost = gone[w.claimed.Delivery.LeaseKey()]; !w.lost {
			w.leasedUntil = until
			d.leases.add(w)
		}
	}
}

// mayAttempt reports whether the lease still holds. A node that slept past it may
// find that another has delivered meanwhile.
func (d *Dispatcher) mayAttempt(w *work) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !w.lost && time.Now().Before(w.leasedUntil)
}

// forget forgets a delivery that is not this node's matter any more.
func (d *Dispatcher) forget(w *work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leases.remove(w)
}

// forgetAll forgets deliveries that were given back.
func (d *Dispatcher) forgetAll(list []*work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range list {
		d.leases.remove(w)
	}
}

// releaseAll makes deliveries due again in the store and forgets them.
func (d *Dispatcher) releaseAll(released []*work) {
	defer d.forgetAll(released)
	if err := d.o.Store.Release(context.Background(), leaseKeys(released)); err != nil {
		d.o.Log.Error("could not release leases; they run out by themselves", "error", err, "deliveries", len(released))
	}
}

// noteRecorded forgets deliveries whose outcome is on disk, and sees to it that
// retries are claimed when they are due: Run would find those that are due later
// by itself.
func (d *Dispatcher) noteRecorded(done []recorded) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range done {
		d.leases.remove(done[i].work)
		if s := &done[i].settlement.Delivery; s.Status == event.Pending && time.Until(s.DueAt) < pollInterval {
			d.hint() // Run asks the store when the next one is due
		}
	}
}
