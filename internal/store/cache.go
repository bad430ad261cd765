package store

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// cachedSubscriptions is the size of the cache. A subscription takes about a kilobyte.
const cachedSubscriptions = 50_000

// Fresh is a Cached whose Subscription reads from the underlying store. It is for callers that
// need the newest revision and read rarely.
type Fresh struct{ *Cached }

// Subscription is as in Subscriptions.
func (f Fresh) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	return f.behind.Subscription(ctx, id)
}

// Cached is a Store that reads subscriptions from memory, because every event needs its
// subscription twice and subscriptions rarely change. A change made through this Store is
// visible at once.
//
// Cached embeds the roles that neither read nor change subscriptions. It implements every method
// of Subscriptions and Queue itself. So a new method or role does not compile before Cached
// handles it.
type Cached struct {
	Tenants
	EventTypes
	Intake
	Operations
	History
	Keys
	Upkeep
	behind  Store
	changed func(event.ID) // tells other nodes about a change made here
	cache   *otter.Cache[cacheKey, event.Subscription]
	load    otter.Loader[cacheKey, event.Subscription] // reads from behind; allocated once, not for each read
	cleared atomic.Int64                               // how often all subscriptions were removed
	// writes is how many changes are under way. While there are any, the cache may be older
	// than the database.
	writes atomic.Int64
}

var _ Store = (*Cached)(nil)

// cacheKey is a subscription since all were last removed. So a load that was under way then leaves
// nothing that a later read finds.
type cacheKey struct {
	id      event.ID
	cleared int64
}

// WithCache puts a cache in front of a store. If changed is not nil, it is called with each
// subscription that is changed through the cache. It must not block.
func WithCache(s Store, changed func(event.ID)) (*Cached, error) {
	cache, err := otter.New(&otter.Options[cacheKey, event.Subscription]{MaximumSize: cachedSubscriptions})
	if err != nil {
		return nil, err
	}
	return &Cached{
		Tenants: s, EventTypes: s, Intake: s, Operations: s, History: s, Keys: s, Upkeep: s, behind: s,
		changed: changed, cache: cache,
		load: otter.LoaderFunc[cacheKey, event.Subscription](func(ctx context.Context, k cacheKey) (event.Subscription, error) {
			return s.Subscription(ctx, k.id)
		}),
	}, nil
}

// CreateSubscription is as in Subscriptions. The cache contains only subscriptions that exist, so
// it can't contain this one.
func (c *Cached) CreateSubscription(ctx context.Context, s event.Subscription) error {
	return c.behind.CreateSubscription(ctx, s)
}

// Subscription is as in Subscriptions. Its maps and slices are shared and must not be changed.
func (c *Cached) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	if c.writes.Load() > 0 {
		return c.behind.Subscription(ctx, id)
	}
	return c.cache.Get(ctx, c.key(id), c.load)
}

// ListSubscriptions is as in Subscriptions. It does not use the cache, because listing all
// subscriptions would fill the cache with ones that are rarely read.
func (c *Cached) ListSubscriptions(ctx context.Context, q event.SubscriptionQuery) ([]event.Subscription, error) {
	return c.behind.ListSubscriptions(ctx, q)
}

// SubscriptionByUID is as in Subscriptions. It does not use the cache, which finds subscriptions by
// id only.
func (c *Cached) SubscriptionByUID(ctx context.Context, tenantNo int64, uid string) (event.Subscription, error) {
	return c.behind.SubscriptionByUID(ctx, tenantNo, uid)
}

// ReplaceSubscription is as in Subscriptions.
func (c *Cached) ReplaceSubscription(ctx context.Context, s event.Subscription) (event.Subscription, error) {
	defer c.writing(s.ID)()
	return c.behind.ReplaceSubscription(ctx, s)
}

// SwapSecrets is as in Subscriptions. The cache keeps its copy, because to readers the secrets
// stay the same.
func (c *Cached) SwapSecrets(ctx context.Context, from, to event.Subscription) (bool, error) {
	return c.behind.SwapSecrets(ctx, from, to)
}

// PauseSubscription is as in Subscriptions.
func (c *Cached) PauseSubscription(ctx context.Context, id event.ID, p event.Pause) (event.Subscription, error) {
	defer c.writing(id)()
	return c.behind.PauseSubscription(ctx, id, p)
}

// ResumeSubscription is as in Subscriptions.
func (c *Cached) ResumeSubscription(ctx context.Context, id event.ID, at time.Time) (event.Subscription, error) {
	defer c.writing(id)()
	return c.behind.ResumeSubscription(ctx, id, at)
}

// DeleteSubscription is as in Subscriptions.
func (c *Cached) DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error {
	defer c.writing(id)()
	return c.behind.DeleteSubscription(ctx, id, at, revision)
}

// ClearTenants is as in Tenants. The caller does not learn which subscriptions are deleted, so all
// are read again.
func (c *Cached) ClearTenants(ctx context.Context, now time.Time, limit int) (int, error) {
	c.writes.Add(1)
	defer c.writes.Add(-1)
	n, err := c.behind.ClearTenants(ctx, now, limit)
	if n == 0 && err == nil {
		return 0, nil
	}
	c.Forget(event.ID{})
	if c.changed != nil {
		c.changed(event.ID{})
	}
	return n, err
}

// Claim is as in Queue. It reads the gates of subscriptions from the database.
func (c *Cached) Claim(ctx context.Context, r event.ClaimRequest) (event.Claim, error) {
	return c.behind.Claim(ctx, r)
}

// Record is as in Queue. It changes the subscriptions that it disables or whose health changes.
func (c *Cached) Record(ctx context.Context, settlements []event.Settlement) error {
	for i := range settlements {
		if settlements[i].DisableReason != "" || settlements[i].Health.Kind != event.HealthUnchanged {
			defer c.writing(settlements[i].Delivery.SubscriptionID)()
		}
	}
	return c.behind.Record(ctx, settlements)
}

// Renew is as in Queue.
func (c *Cached) Renew(ctx context.Context, leases []event.LeaseKey, until time.Time) (lost []event.LeaseKey, err error) {
	return c.behind.Renew(ctx, leases, until)
}

// Release is as in Queue.
func (c *Cached) Release(ctx context.Context, leases []event.LeaseKey) error {
	return c.behind.Release(ctx, leases)
}

// Rescue is as in Queue.
func (c *Cached) Rescue(ctx context.Context, from, now time.Time) (int, error) {
	return c.behind.Rescue(ctx, from, now)
}

// Unpark is as in Queue. It reads the gates of subscriptions from the database.
func (c *Cached) Unpark(ctx context.Context, now time.Time, limit int) (int, error) {
	return c.behind.Unpark(ctx, now, limit)
}

// Close is as in Store.
func (c *Cached) Close() error { return c.behind.Close() }

// Forget removes a subscription that another node has changed from the cache. With a zero id, it
// removes all subscriptions.
func (c *Cached) Forget(id event.ID) {
	if id.IsZero() {
		c.cleared.Add(1)
		c.cache.InvalidateAll()
		return
	}
	c.cache.Invalidate(c.key(id))
}

func (c *Cached) key(id event.ID) cacheKey { return cacheKey{id, c.cleared.Load()} }

// writing begins a change. The caller calls end when the change is made.
func (c *Cached) writing(id event.ID) (end func()) {
	c.writes.Add(1)
	return func() {
		c.Forget(id)
		c.writes.Add(-1)
		if c.changed != nil {
			c.changed(id)
		}
	}
}
