package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// maxBrake is how long a request waits at most because the workers are behind.
	maxBrake = 200 * time.Millisecond
	// behindLasts is how long a hint counts that is not repeated: whoever gave it may have
	// died, and that it is over may never be heard.
	behindLasts = 100 * time.Millisecond
	// maxBraked is how many requests may wait at once.
	maxBraked = 4096
)

// Brake slows publishers down to the pace of the workers, on a node that is none. If events
// of a subscription arrive faster than the workers deliver them, though its endpoint keeps
// up, a request waits a moment: an event that is not accepted yet waits at its publisher
// instead of in the store, from where it costs several times as much. Package dispatch does
// the same on a node that delivers what it accepts.
//
// It goes by hints. If none come, nobody waits; nothing is ever refused because of one.
type Brake struct {
	Handoff // where what was accepted goes

	mu      sync.Mutex
	behind  map[event.ID]*backlogged
	waiting int
}

// backlogged is a subscription for which the workers are behind.
type backlogged struct {
	until time.Time
	over  chan struct{} // closed when they are not any more
}

// NewBrake makes a Brake for what goes to h.
func NewBrake(h Handoff) *Brake {
	return &Brake{Handoff: h, behind: make(map[event.ID]*backlogged)}
}

// Behind takes a hint: whether the workers are behind with a subscription whose endpoint
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

// forgetOld drops hints that count no more, of subscriptions for which nothing is published
// now, once there are many. The caller holds the lock.
func (b *Brake) forgetOld() {
	if len(b.behind) < maxBraked {
		return
	}
	for subscription := range b.behind {
		b.find(subscription)
	}
}

// Reserve reserves capacity as soon as the workers are not behind, or after a while.
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

// find returns the hint about a subscription, or nil if there is none that counts. The
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

// wait waits until the workers are not behind with a subscription. It reports false if the
// request is to wait no longer, though they are.
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
