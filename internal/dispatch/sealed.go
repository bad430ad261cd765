package dispatch

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// sealedFor is how long nothing of a subscription is claimed whose secrets can't be
// opened. It is looked at again then: it may have got new ones.
const sealedFor = 30 * time.Second

// holdBack gives a delivery back whose subscription's secrets can't be opened: it would
// go out unsigned. No attempt is made and none is counted, so that nothing fails for
// want of a key. Its other deliveries are left in the store for a while.
func (d *Dispatcher) holdBack(w *work, sub event.Subscription) {
	now := time.Now()
	d.mu.Lock()
	known := now.Before(d.sealed[sub.ID])
	if !known {
		d.sealed[sub.ID] = now.Add(sealedFor)
	}
	d.mu.Unlock()
	d.recorder.release(w)
	if !known {
		d.o.Log.ErrorContext(context.Background(), "deliveries are held back", "subscription", sub.ID.String(), "error", sub.Sealed)
	}
}

// leaveSealed keeps a claim from taking what would be held back. The caller holds the
// lock.
func (d *Dispatcher) leaveSealed(roomOf map[event.ID]int, now time.Time) {
	for id, until := range d.sealed {
		if now.Before(until) {
			roomOf[id] = 0
		} else {
			delete(d.sealed, id)
		}
	}
}
