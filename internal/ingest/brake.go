package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// maxBrake is the longest time that a request waits for the workers.
	maxBrake = 200 * time.Millisecond
	// behindLasts is how long a hint counts unless it is repeated. It is short, because the worker
	// that sent the hint may have died, and the hint that it has caught up may be lost.
	behindLasts = 100 * time.Millisecond
	// maxBraked is how many requests may wait at once.
	maxBraked = 4096
)

// Brake slows publishers down to the throughput of the workers, on a node that is not a worker
// itself. If a subscription's events arrive faster than the workers deliver them, although its
// endpoint keeps up, requests wait a moment. So events wait at their publisher before they are
// accepted, because delivering them from the backlog would cost several times as much. Package
// dispatch does the same on a node that delivers the events that it accepts.
//
// Brake relies on hints. Without hints, no request waits. A hint never makes Brake refuse a
// request.
type Brake struct {
	Handoff // receives the accepted deliveries

	mu      sync.Mutex
	behind  map[event.ID]*backlogged
	waiting int
}

// backlogged is a subscription for which the workers are behind.
type backlogged struct {
	until time.Time
	over  chan struct{} // closed when the workers have caught up or the hint has expired
}

// NewBrake returns a Brake in front of h.
func NewBrake(h Handoff) *Brake {
	return &Brake{Handoff: h, behind: make(map[event.ID]*backlogged)}
}

// Behind records a hint: whether the workers are behind with a subscription whose endpoint
// keeps up. It does not block.
func (b *Brake) Behind(subscription event.ID, is bool) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.behind[subscription]
	switch {
	case !is && known != nil:
		delete(b.behind, subscription)
		close(known.over)
	case is && known != nil:
		known.until = now.Add(behindLasts)
	case is:
		b.forgetOld()
		b.behind[subscription] = &backlogged{now.Add(behindLasts), make(chan struct{})}
	}
}

// forgetOld removes expired hints once there are many hints. Those are about subscriptions for which
// nothing is published any more. The caller holds the lock.
func (b *Brake) forgetOld() {
	if len(b.behind) < maxBraked {
		return
	}
	for subscription := range b.behind {
		b.find(subscription)
	}
}

// Reserve reserves capacity. While the workers are behind, it waits up to maxBrake first.
func (b *Brake) Reserve(ctx context.Context, sub event.Subscription, size int) (event.Lease, bool) {
	latest := time.Now().Add(maxBrake)
	for {
		caughtUp := b.wait(ctx, sub.ID, latest)
		lease, ok := b.Handoff.Reserve(ctx, sub, size)
		if ok || !caughtUp || !b.isBehind(sub.ID) {
			return lease, ok
		}
	}
}

func (b *Brake) isBehind(subscription event.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.find(subscription) != nil
}

// find returns the hint about a subscription, or nil if there is none or it has expired. The
// caller holds the lock.
func (b *Brake) find(subscription event.ID) *backlogged {
	known := b.behind[subscription]
	if known != nil && !time.Now().Before(known.until) {
		delete(b.behind, subscription)
		close(known.over)
		return nil
	}
	return known
}

// wait waits until the workers are not behind with a subscription. It returns false if they are
// still behind but the request must not wait any longer.
func (b *Brake) wait(ctx context.Context, subscription event.ID, latest time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for known := b.find(subscription); known != nil; known = b.find(subscription) {
		left := time.Until(latest)
		if left <= 0 || b.waiting >= maxBraked || ctx.Err() != nil {
			return false
		}
		b.waiting++
		b.mu.Unlock()
		timer := time.NewTimer(min(left, behindLasts))
		select {
		case <-known.over:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		b.mu.Lock()
		b.waiting--
	}
	return true
}
