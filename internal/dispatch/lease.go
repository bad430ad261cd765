package dispatch

import (
	"context"
	"strconv"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// maxRenew is the largest number of leases that one call renews.
const maxRenew = 512

// laneIdleTimeout is how long an idle lane is kept, because it remembers the limits and the health
// of its endpoint.
const laneIdleTimeout = time.Minute

// nextOwner returns the owner of the next claim's leases. Each claim has a different owner, so
// that a late renewal or release of an earlier lease can't affect a later one. The number begins
// at 1 in each process, because each process has a new node name. The lease with which a delivery
// is stored (Reserve) has only the node name, because a delivery has only one such lease.
func (d *Dispatcher) nextOwner() string {
	d.claims++
	return d.o.Node + "/" + strconv.Itoa(d.claims)
}

// tendLeases renews leases that end soon, and deletes idle lanes.
func (d *Dispatcher) tendLeases(ctx context.Context) {
	d.renew(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lanes.forgetIdle(time.Now(), laneIdleTimeout)
}

// rescue ends leases that ran out, which usually belonged to dead nodes. It first renews this
// node's leases, so that a node that was suspended or could not renew for a while does not end
// its own. It passes the time before the renewal to the store, so that leases which began after
// that are not ended, even if the clock is set meanwhile.
func (d *Dispatcher) rescue(ctx context.Context) {
	now := time.Now()
	if !d.renew(ctx) {
		return
	}
	from := d.leaseScan.from(now)
	rescued, err := d.o.Store.Rescue(ctx, from, now)
	d.leaseScan.done(from, now, time.Now(), err)
	d.noteStore(ctx, "could not look for leases that ran out; trying again", err)
	if rescued > 0 {
		d.o.Log.InfoContext(ctx, "took over deliveries whose lease ran out", "deliveries", rescued)
		d.hint()
	}
}

// renew renews the leases of which less than two thirds are left. The others can wait for the
// next call. It reports whether it succeeded.
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
		if d.noteStore(ctx, "could not renew leases; trying again", err); err != nil {
			return false
		}
		d.noteRenewed(ending, lost, until)
		if len(ending) < maxRenew {
			return true
		}
	}
	return false
}

// noteRenewed records the new end of leases. Deliveries whose lease was lost are not attempted.
// A delivery that was recorded meanwhile counts as lost, too, and has already left the list.
func (d *Dispatcher) noteRenewed(list []*work, lost []event.LeaseKey, until time.Time) {
	gone := make(map[event.LeaseKey]bool, len(lost))
	for _, lease := range lost {
		gone[lease] = true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range list {
		if w.prev == nil && w.next == nil && d.leases.first != w {
			continue // it has left the list
		}
		d.leases.remove(w)
		if w.lost = gone[w.claimed.Delivery.LeaseKey()]; !w.lost {
			w.leasedUntil = until
			d.leases.add(w)
		}
	}
}

// permission says whether an attempt may be made now.
type permission int

const (
	allowed        permission = iota
	leaseLost                 // the lease has ended, so another node may have delivered it
	refusedTooLong            // the delivery fails without another request
	endpointHeld              // the endpoint is held back at present
)

// mayAttempt says whether w may be attempted now. known is what the store knows about the
// endpoint's health. If w was refused for too long, known is set to what this node knows, which
// may be newer.
func (d *Dispatcher) mayAttempt(w *work, known *event.Health) permission {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lanes.learnHealth(w.lane, known)
	now := time.Now()
	switch {
	case w.lost || !now.Before(w.leasedUntil):
		return leaseLost
	case w.lane.health.RefusedTooLong(w.claimed.Delivery.DueAt, now):
		*known = w.lane.health
		return refusedTooLong
	case w.lane.health.NotBefore.After(now):
		return endpointHeld
	}
	return allowed
}

// forget drops a delivery whose lease has ended or will run out.
func (d *Dispatcher) forget(w *work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leases.remove(w)
}

// forgetAll drops deliveries that were released.
func (d *Dispatcher) forgetAll(list []*work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range list {
		d.leases.remove(w)
	}
}

// releaseAll makes deliveries due again in the store and drops them.
func (d *Dispatcher) releaseAll(released []*work) {
	defer d.forgetAll(released)
	if err := d.o.Store.Release(context.Background(), leaseKeys(released)); err != nil {
		d.o.Log.Error("could not release leases; the deliveries are due again when their leases run out", "error", err, "deliveries", len(released))
	}
}

// noteRecorded drops deliveries whose outcome is on disk. If a retry is due before Run would claim
// next, it gives a hint.
func (d *Dispatcher) noteRecorded(done []recorded) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range done {
		d.leases.remove(done[i].work)
		if s := &done[i].settlement.Delivery; s.Status == event.Pending && time.Until(s.DueAt) < pollInterval {
			d.hint() // the claim returns when the next delivery is due
		}
	}
}
