package dispatch

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// sealedPause is how long the deliveries of a subscription are not claimed after its secrets
// could not be decrypted. Then they are claimed again, because it may have new secrets.
const sealedPause = 30 * time.Second

// releaseSealed releases a delivery of a subscription whose secrets can't be decrypted, because
// the request would be unsigned. No attempt is made or counted, so no delivery fails because
// a key is missing. The subscription's other deliveries stay in the store for sealedPause.
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

// excludeSealed excludes subscriptions whose secrets can't be decrypted from a claim. The caller
// holds the lock.
func (d *Dispatcher) excludeSealed(capacityOf map[event.ID]int, now time.Time) {
	for id, until := range d.sealedUntil {
		if now.Before(until) {
			capacityOf[id] = 0
		} else {
			delete(d.sealedUntil, id)
		}
	}
}
