package dispatch

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Deliver puts a delivery that was stored with a reservation's lease into its lane. If storing
// it took longer than the lease, Deliver drops it, because another node may have claimed it. If
// no node has, it is due again once its lease is ended.
func (d *Dispatcher) Deliver(c event.Claimed) {
	w, now := &work{claimed: c, leasedUntil: c.Delivery.LeasedUntil}, time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes.byID[c.Delivery.SubscriptionID]
	if !now.Before(w.leasedUntil) {
		d.lanes.cancel(l, len(c.Event.Payload))
		return
	}
	d.leases.add(w)
	if d.stopping || d.isClosed(l, now) {
		d.lanes.cancel(l, len(c.Event.Payload))
		d.recorder.release(w)
		return
	}
	d.lanes.push(l, w, true, now)
	d.startReady(now)
}

// Cancel ends a reservation for which nothing was stored.
func (d *Dispatcher) Cancel(subscription event.ID, size int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes.byID[subscription]
	d.lanes.cancel(l, size)
	d.serveWaiters(l)
}

// Overflow records that a delivery was stored as due and unclaimed because its lane was full.
func (d *Dispatcher) Overflow(subscription event.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes.byID[subscription]
	if l == nil { // the lane was idle and was deleted meanwhile
		d.hint()
		return
	}
	if l.isPaused || l.health.NotBefore.After(time.Now()) {
		return // the next regular claim parks it
	}
	if l.overflowed = true; d.lanes.clearOverflow(l) { // the lane has emptied meanwhile
		d.hint()
	}
}

// Capacity estimates how many deliveries Offer would accept: as many as could start now, but
// none while this machine is busy.
func (d *Dispatcher) Capacity() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping || d.lanes.isFull(0) || d.lanes.isBusy(time.Now()) {
		return 0
	}
	return d.o.Limits.InFlight - d.inFlight
}

// SlotsTaken reports whether there is no capacity because requests to slow endpoints use all
// slots, and not because this machine is busy.
func (d *Dispatcher) SlotsTaken() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inFlight >= d.o.Limits.InFlight && !d.lanes.isBusy(time.Now())
}

// Offer puts a delivery that another node has stored with a lease and passed on into its
// lane. If the lane is full, Offer releases the delivery and returns false.
func (d *Dispatcher) Offer(ctx context.Context, c event.Claimed) bool {
	return d.takeOver(ctx, c, true)
}

// Release makes a delivery that another node has passed on due again in the store, unless
// the lease with which it was passed on has ended.
func (d *Dispatcher) Release(c event.Claimed) {
	w := &work{claimed: c, leasedUntil: c.Delivery.LeasedUntil}
	if d.addLease(w, true) {
		d.recorder.release(w)
	}
}

// Wake hints that the store may have due deliveries that are not claimed. It never blocks.
func (d *Dispatcher) Wake() { d.hint() }

// hint makes Run claim soon. Several hints before that claim count as one.
func (d *Dispatcher) hint() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// takeHint takes the hint and reports whether there was one.
func (d *Dispatcher) takeHint() bool {
	select {
	case <-d.wake:
		return true
	default:
		return false
	}
}

// admit puts a claimed delivery into its lane. It returns false if it released the delivery
// instead.
func (d *Dispatcher) admit(ctx context.Context, c event.Claimed) bool {
	return d.takeOver(ctx, c, false)
}

// takeOver puts a leased delivery into its lane, or releases it. If the lease has ended, it
// drops the delivery. A claim asks only for as many deliveries as the lanes have capacity
// for, while an offered delivery must reserve capacity.
func (d *Dispatcher) takeOver(ctx context.Context, c event.Claimed, offered bool) bool {
	w := &work{claimed: c, leasedUntil: c.Delivery.LeasedUntil}
	sub, err := d.o.Subscriptions.Subscription(ctx, c.Delivery.SubscriptionID)
	if !d.addLease(w, offered) {
		return false
	}
	if err == nil && sub.Sealed != "" {
		d.releaseSealed(w, sub)
		return false
	}
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || d.stopping {
		d.recorder.release(w)
		return false
	}
	l := d.lanes.laneOf(sub)
	switch {
	case sub.Health.RefusedTooLong(c.Delivery.DueAt, now):
		d.recorder.addNow(w, d.refused(w, sub, now))
		return false
	case d.isClosed(l, now):
		d.recorder.release(w)
		return false
	}
	if offered && !d.lanes.reserve(l, len(c.Event.Payload)) {
		l.overflowed = true
		d.recorder.release(w)
		return false
	}
	d.lanes.push(l, w, offered, now)
	d.startReady(now)
	return true
}

// addLease adds w to the leases to renew. It returns false and does nothing if the lease has
// ended. Either the store responded too late, see Deliver, or this node has claimed the delivery
// since. The latter can happen only if first is true. It means that w has the lease with which
// its delivery was stored, which is older than the lease of any claim.
func (d *Dispatcher) addLease(w *work, first bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !time.Now().Before(w.leasedUntil) || first && d.leases.byID[w.claimed.Delivery.ID] != nil {
		return false
	}
	d.leases.add(w)
	return true
}
