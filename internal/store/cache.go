package store

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// cachedSubscriptions bounds the cache. A subscription takes about a kilobyte.
const cachedSubscriptions = 50_000

// Cached answers Subscription from memory: every event needs its subscription
// twice, and it hardly ever changes. What changes one through this Store is seen
// at once.
type Cached struct {
	Store
	changed func(event.ID) // tells other nodes of a change that was made here
	cache   *otter.Cache[event.ID, event.Subscription]
	load    otter.Loader[event.ID, event.Subscription] // from Store; made once, not for each read
	// writes is how many changes are under way. As long as there is one, what is in
	// the cache may be older than what is on disk.
	writes atomic.Int64
}

// WithCache puts a cache before a store. If changed is not nil, it is called with each
// subscription that is changed through the cache, and must not block.
func WithCache(s Store, changed func(event.ID)) (*Cached, error) {
	cache, err := otter.New(&otter.Options[event.ID, event.Subscription]{MaximumSize: cachedSubscriptions})
	if err != nil {
		return nil, err
	}
	return &Cached{Store: s, changed: changed, cache: cache, load: otter.LoaderFunc[event.ID, event.Subscription](s.Subscription)}, nil
}

// Subscription is as in Subscriptions. The maps and lists in it are shared: they
// are not to be changed.
func (c *Cached) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	if c.writes.Load() > 0 {
		return c.Store.Subscription(ctx, id)
	}
	return c.cache.Get(ctx, id, c.load)
}

// ReplaceSubscription is as in Subscriptions.
func (c *Cached) ReplaceSubscription(ctx context.Context, s event.Subscription) (event.Subscription, error) {
	defer c.writing(s.ID)()
	return c.Store.ReplaceSubscription(ctx, s)
}

// DeleteSubscription is as in Subscriptions.
func (c *Cached) DeleteSubscription(ctx context.Context, id event.ID, at time.Time) error {
	defer c.writing(id)()
	return c.Store.DeleteSubscription(ctx, id, at)
}

// Record is as in Queue.
func (c *Cached) Record(ctx context.Context, settlements []event.Settlement) error {
	for i := range settlements {
		if settlements[i].DisableReason != "" {
			defer c.writing(settlements[i].Delivery.SubscriptionID)()
		}
	}
	return c.Store.Record(ctx, settlements)
}

// Forget makes the next read of a subscription go to the store, because another
// node has changed it; a zero id, the next read of any.
func (c *Cached) Forget(id event.ID) {
	if id.IsZero() {
		c.cache.InvalidateAll()
		return
	}
	c.cache.Invalidate(id)
}

// writing begins a change, and returns what ends it.
func (c *Cached) writing(id event.ID) (end func()) {
	c.writes.Add(1)
	return func() {
		c.cache.Invalidate(id)
		c.writes.Add(-1)
		if c.changed != nil {
			c.changed(id)
		}
	}
}
