package store

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"

	"hookferry/internal/event"
)

// cachedSubscriptions bounds the cache. A subscription takes about a kilobyte.
const cachedSubscriptions = 50_000

// Cached answers Subscription from memory: every event needs its subscription
// twice, and it hardly ever changes. What changes one through this Store is seen
// at once.
type Cached struct {
	Store
	cache *otter.Cache[event.ID, event.Subscription]
}

// WithCache puts a cache before a store.
func WithCache(s Store) (*Cached, error) {
	cache, err := otter.New(&otter.Options[event.ID, event.Subscription]{MaximumSize: cachedSubscriptions})
	if err != nil {
		return nil, err
	}
	return &Cached{Store: s, cache: cache}, nil
}

// Subscription is as in Subscriptions. The maps and lists in it are shared: they
// are not to be changed.
func (c *Cached) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	return c.cache.Get(ctx, id, otter.LoaderFunc[event.ID, event.Subscription](c.Store.Subscription))
}

// ReplaceSubscription is as in Subscriptions.
func (c *Cached) ReplaceSubscription(ctx context.Context, s event.Subscription) (event.Subscription, error) {
	defer c.cache.Invalidate(s.ID)
	return c.Store.ReplaceSubscription(ctx, s)
}

// DeleteSubscription is as in Subscriptions.
func (c *Cached) DeleteSubscription(ctx context.Context, id event.ID, at time.Time) error {
	defer c.cache.Invalidate(id)
	return c.Store.DeleteSubscription(ctx, id, at)
}

// Record is as in Queue.
func (c *Cached) Record(ctx context.Context, settlements []event.Settlement) error {
	err := c.Store.Record(ctx, settlements)
	for i := range settlements {
		if settlements[i].DisableReason != "" {
			c.cache.Invalidate(settlements[i].Delivery.SubscriptionID)
		}
	}
	return err
}
