package dispatch

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Deliver takes over what was stored with a reservation's lease. Where that took longer
// than the lease, it is left to whoever ends the lease: it may be another's already.
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
	if d.stopping {
		d.lanes.cancel(l, len(c.Event.Payload))
		d.recorder.release(w)
		return
	}
	d.lanes.push(l, w, true, now)
	d.startReady(now)
}

// Cancel gives a reservation back.
func (d *Dispatcher) Cancel(subscription event.ID, size int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes.byID[subscription]
	d.lanes.cancel(l, size)
	d.serveWaiters(l)
}

// Overflow says that a delivery was stored that there was no room for.
func (d *Dispatcher) Overflow(subscription event.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes.byID[subscription]
	if l == nil { // it has been idle since
		d.hint()
		return
	}
	if l.overflowed = true; d.lanes.clearOverflow(l) { // it has emptied since
		d.hint()
	}
}

// Capacity is how many deliveries Offer has room for, at a guess: as many as could start now.
func (d *Dispatcher) Capacity() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping || d.lanes.isFull(0) {
		return 0
	}
	return d.o.Limits.InFlight - d.inFlight
}

// Offer takes over what another node has stored with a lease and passed on. If there is
// no room for it, it is given back to the store, and Offer reports false.
func (d *Dispatcher) Offer(ctx context.Context, c event.Claimed) bool {
	return d.takeOver(ctx, c, true)
}

// Release makes what another node has passed on due again in the store.
func (d *Dispatcher) Release(c event.Claimed) {
	w := &work{claimed: c, leasedUntil: c.Delivery.LeasedUntil}
	d.addLease(w)
	d.recorder.release(w)
}

// Wake is a hint that the store may have something that is due and unclaimed. It never
// blocks.
func (d *Dispatcher) Wake() { d.hint() }

// hint makes Run claim soon. Several hints before that claim count as one.
func (d *Dispatcher) hint() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// takeHint takes the hint, if there is one, and reports whether there was.
func (d *Dispatcher) takeHint() bool {
	select {
	case <-d.wake:
		return true
	default:
		return false
	}
}

// admit puts a delivery that was claimed from the store into its lane. It reports
// false if it had to give it back.
func (d *Dispatcher) admit(ctx context.Context, c event.Claimed) bool {
	return d.takeOver(ctx, c, false)
}

// takeOver puts a delivery that is leased into its lane, or gives it back to the store.
// What was claimed was claimed for the room there is; what was offered needs some.
func (d *Dispatcher) takeOver(ctx context.Context, c event.Claimed, offered bool) bool {
	w := &work{claimed: c, leasedUntil: c.Delivery.LeasedUntil}
	sub, err := d.o.Subscriptions.Subscription(ctx, c.Delivery.SubscriptionID)
	if err == nil && sub.Sealed != "" {
		d.addLease(w)
		d.releaseSealed(w, sub)
		return false
	}
	now := time.Now()
	if !now.Before(w.leasedUntil) {
		return false // the answer took too long: as with Deliver
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leases.add(w)
	if err != nil || d.stopping {
		d.recorder.release(w)
		return false
	}
	l := d.lanes.laneOf(sub)
	if offered && !d.lanes.reserve(l, len(c.Event.Payload)) {
		l.overflowed = true
		d.recorder.release(w)
		return false
	}
	d.lanes.push(l, w, offered, now)
	d.startReady(now)
	return true
}

// addLease keeps the lease of a delivery alive that is about to be given back.
func (d *Dispatcher) addLease(w *work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leases.add(w)
}
