package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/match"
)

// TenantStore finds tenants and their subscriptions; package store says what the methods promise.
type TenantStore interface {
	Tenant(ctx context.Context, id string) (event.Tenant, error)
	TenantChanges(ctx context.Context, no, after int64, limit int) (event.TenantChanges, error)
}

const (
	// cachedTenants limits the size of the indexes in memory, in bytes: those of about 100,000
	// subscriptions without filters. Tenants that publish rarely make way for others, so there may
	// be any number of tenants. It costs a tenant one load to come back.
	cachedTenants = 64 << 20
	// changesPage is how many changes are read at once.
	changesPage = 1000
	// limitsLast is how long the limits of a tenant are used before they are read again.
	limitsLast = 10 * time.Second
)

// tenants has the indexes of the tenants that publish on this node. An index is never assumed to be
// up to date: the store compares its version in the transaction that stores an event. Only a
// publication that finds it outdated reads the changes.
type tenants struct {
	store   TenantStore
	filters *Filters
	now     func() time.Time
	cache   *otter.Cache[string, *tenant]
}

// tenant is what this node knows of a tenant.
type tenant struct {
	no       int64
	id       string
	index    *match.Tenant
	settings atomic.Pointer[limits]
	rate     bucket

	loading turn // one goroutine at a time reads changes
	size    int  // of the index, in bytes; guarded by loading
	cached  atomic.Uint32
}

// limits are a tenant's limits as they were read.
type limits struct {
	event.TenantLimits
	readAt time.Time
}

// errTenantGone: the tenant was deleted. Another one may have its id now.
var errTenantGone = errors.New("the tenant was deleted")

func newTenants(store TenantStore, filters *Filters, now func() time.Time) (*tenants, error) {
	cache, err := otter.New(&otter.Options[string, *tenant]{
		MaximumWeight: cachedTenants,
		Weigher:       func(_ string, t *tenant) uint32 { return t.cached.Load() },
	})
	return &tenants{store: store, filters: filters, now: now, cache: cache}, err
}

// find returns a tenant. The error wraps ErrTenantNotFound if there is none.
func (ts *tenants) find(ctx context.Context, id string) (*tenant, error) {
	if t, ok := ts.cache.GetIfPresent(id); ok {
		return t, nil
	}
	shared := context.WithoutCancel(ctx) // others wait for the same load
	t, err := ts.cache.Get(shared, id, otter.LoaderFunc[string, *tenant](ts.load))
	if !errors.Is(err, event.ErrNotFound) {
		return t, err
	}
	// The shared load may have begun before the tenant was created.
	if t, err = ts.load(ctx, id); err == nil {
		ts.cache.Set(id, t)
	}
	return t, err
}

// forget removes a tenant that was deleted.
func (ts *tenants) forget(t *tenant) { ts.cache.Invalidate(t.id) }

func (ts *tenants) load(ctx context.Context, id string) (*tenant, error) {
	known, err := ts.store.Tenant(ctx, id)
	if errors.Is(err, event.ErrNotFound) {
		return nil, fmt.Errorf("%w: %q", event.ErrTenantNotFound, event.Clip(id, event.MaxQuoted))
	}
	if err != nil {
		return nil, err
	}
	t := &tenant{no: known.No, id: id, index: match.NewTenant(0, nil)}
	if err := ts.readChanges(ctx, t); err != nil {
		if errors.Is(err, errTenantGone) {
			return nil, fmt.Errorf("%w: %q", event.ErrTenantNotFound, event.Clip(id, event.MaxQuoted))
		}
		return nil, err
	}
	t.cached.Store(sizeOfTenant + uint32(t.size))
	return t, nil
}

// catchUp brings a tenant's index from an outdated version to a newer one. If another goroutine
// has done that meanwhile, it does nothing.
func (ts *tenants) catchUp(ctx context.Context, t *tenant, outdated int64) error {
	if err := t.loading.take(ctx); err != nil {
		return err
	}
	defer t.loading.leave()
	if t.index.Version() != outdated {
		return nil
	}
	return ts.readChanges(ctx, t)
}

// refresh brings a tenant's index to the newest version. All changes that were made before the
// call are in it afterwards.
func (ts *tenants) refresh(ctx context.Context, t *tenant) error {
	if err := t.loading.take(ctx); err != nil {
		return err
	}
	defer t.loading.leave()
	return ts.readChanges(ctx, t)
}

// limits returns the tenant's limits. They may be up to limitsLast old: a change of a limit does
// not change the tenant's version.
func (ts *tenants) limits(ctx context.Context, t *tenant) (event.TenantLimits, error) {
	known := t.settings.Load()
	if ts.now().Sub(known.readAt) < limitsLast {
		return known.TenantLimits, nil
	}
	if err := t.loading.take(ctx); err != nil {
		return event.TenantLimits{}, err
	}
	defer t.loading.leave()
	if t.settings.Load() == known {
		if err := ts.readChanges(ctx, t); err != nil {
			return event.TenantLimits{}, err
		}
	}
	return t.settings.Load().TenantLimits, nil
}

// readChanges reads what changed since the index's version, page by page. The caller holds
// t.loading, unless no other goroutine can reach t.
func (ts *tenants) readChanges(ctx context.Context, t *tenant) error {
	for {
		c, err := ts.store.TenantChanges(ctx, t.no, t.index.Version(), changesPage)
		if errors.Is(err, event.ErrNotFound) || err == nil && c.Tenant.Deleted() {
			return errTenantGone
		}
		if err != nil {
			return fmt.Errorf("read the changes of tenant %q: %w", t.id, err)
		}
		ts.apply(t, &c)
		if c.To >= c.Tenant.Version {
			t.settings.Store(&limits{c.Tenant.Limits, ts.now()})
			ts.weigh(t)
			return nil
		}
	}
}

func (ts *tenants) apply(t *tenant, c *event.TenantChanges) {
	changes := match.Changes{From: t.index.Version(), To: c.To}
	for i := range c.Subscriptions {
		s := &c.Subscriptions[i]
		t.size -= sizeOf(t.index.Get(s.ID))
		if s.Deleted() {
			changes.Removed = append(changes.Removed, s.ID)
			continue
		}
		put := ts.matchable(s)
		t.size += sizeOf(put)
		changes.Put = append(changes.Put, put)
	}
	t.index.Apply(changes)
}

// matchable returns what matching needs to know of a subscription.
func (ts *tenants) matchable(s *event.Subscription) *match.Subscription {
	return &match.Subscription{
		ID: s.ID, EventTypes: s.EventTypes, Channels: s.Channels, Filter: ts.filters.Filter(s.Filter),
		Active: s.Active, DisabledReason: s.DisabledReason, Paused: s.Paused(),
	}
}

// sizeOf estimates the memory that a subscription takes in an index, in bytes.
func sizeOf(s *match.Subscription) int {
	if s == nil {
		return 0
	}
	size := 400 + len(s.DisabledReason) + s.Filter.Size()
	for _, texts := range [][]string{s.EventTypes, s.Channels} {
		for _, text := range texts {
			size += 100 + len(text)
		}
	}
	return size
}

// sizeOfTenant is the memory that a tenant takes without its subscriptions, in bytes.
const sizeOfTenant = 1000

// weigh tells the cache that a tenant has grown by a quarter.
func (ts *tenants) weigh(t *tenant) {
	size := sizeOfTenant + uint32(t.size)
	if cached := t.cached.Load(); cached > 0 && size > cached+cached/4 {
		t.cached.Store(size)
		ts.cache.Set(t.id, t)
	}
}
