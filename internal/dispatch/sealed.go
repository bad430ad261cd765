package dispatch

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// sealedPause is how long nothing of a subscription is claimed whose secrets can't be
// opened. It is looked at again then: it may have got new ones.
const sealedPause = 30 * time.Second

// releaseSealed gives a delivery back whose subscription's secrets can't be opened: it would
// go out unsigned. No attempt is made and none is counted, so that nothing fails for
// want of a key. Its other deliveries are left in the store for a while.
func (d *Dispatcher) releaseSealed(w *work, sub event.Subscription) {
	now := time.Now()
	d.mu.Lock()
	known := now.Before(d.sealedUntil[sub.ID])
	if !known {
		d.sealedUntil[sub.ID] = now.Add(sealedPause)
	}
	d.mu.Unlock()
	d.recorder.release(w)
	if !known {
		d.o.Log.ErrorContext(context.Background(), "deliveries are held back", "subscription", sub.ID.String(), "error", sub.Sealed)
	}
}

// excludeSealed keeps a claim from taking what would be held back. The caller holds the
// lock.
func (d *Dispatcher) excludeSealed(roomOf map[event.ID]int, now time.Time) {
	for id, until := range d.sealedUntil {
		if now.Before(until) {
			roomOf[id] = 0
		} else {
			delete(d.sealedUntil, id)
		}
	}
}
