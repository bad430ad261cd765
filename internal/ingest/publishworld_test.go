package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// town is a store in memory with tenants whose subscriptions have versions, a registry of event
// types, and a handoff that counts. It keeps the promises of package store that publishing needs.
type town struct {
	mu      sync.Mutex
	tenants map[int64]*resident
	subs    map[event.ID]event.Subscription
	types   []event.EventType // in the order of their last change
	version int64             // of the registry
	stored  map[event.ID]event.Acceptance
	keys    map[string]kept

	// accepting is called at the beginning of Accept, without the lock.
	accepting func()
	fail      error // of Accept
	accepts   int
	rematches int
	reads     int // of tenants and changes
	full      map[event.ID]bool

	reserved map[event.ID]int // reservations that are neither delivered nor cancelled
	waited   int              // reservations that may have waited
	handed   []event.Claimed
	overflow []event.ID
	accepted int
	now      time.Time
}

type resident struct {
	tenant event.Tenant
	subs   []event.Subscription // in the order of their last change
	at     map[event.ID]int64   // the version of each last change
}

type kept struct {
	hash    [32]byte
	receipt event.Receipt
}

func newTown(ids ...string) *town {
	w := &town{
		tenants: map[int64]*resident{}, subs: map[event.ID]event.Subscription{}, stored: map[event.ID]event.Acceptance{}, keys: map[string]kept{}, version: 1,
		full: map[event.ID]bool{}, reserved: map[event.ID]int{}, now: time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC),
	}
	for _, id := range ids {
		w.create(id)
	}
	return w
}

// create creates a tenant.
func (w *town) create(id string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	no := int64(len(w.tenants) + 2)
	w.tenants[no] = &resident{tenant: event.Tenant{No: no, ID: id, Version: 1}, at: map[event.ID]int64{}}
	return no
}

// living returns the tenant with an id that is not deleted. The caller holds the lock.
func (w *town) living(id string) *resident {
	for _, r := range w.tenants {
		if r.tenant.ID == id && !r.tenant.Deleted() {
			return r
		}
	}
	return nil
}

// put creates or changes a subscription of a tenant.
func (w *town) put(tenant string, s event.Subscription) event.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.living(tenant)
	r.tenant.Version++
	if s.ID.IsZero() {
		s.ID = event.NewID(time.Now())
	}
	s.Tenant, s.TenantNo = tenant, r.tenant.No
	r.subs = slices.DeleteFunc(r.subs, func(known event.Subscription) bool { return known.ID == s.ID })
	r.subs = append(r.subs, s)
	r.at[s.ID] = r.tenant.Version
	w.subs[s.ID] = s
	return s.ID
}

func (w *town) subscribe(tenant string, edits ...func(*event.Subscription)) event.ID {
	s := event.Subscription{Active: true}
	for _, edit := range edits {
		edit(&s)
	}
	return w.put(tenant, s)
}

func (w *town) unsubscribe(tenant string, id event.ID) {
	w.put(tenant, event.Subscription{ID: id, DeletedAt: w.now})
}

func (w *town) remove(tenant string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.living(tenant)
	r.tenant.DeletedAt = w.now
	r.tenant.Version++
}

func (w *town) limit(tenant string, l event.TenantLimits) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.living(tenant).tenant.Limits = l
}

func (w *town) register(t event.EventType) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.version++
	t.Version = w.version
	w.types = slices.DeleteFunc(w.types, func(known event.EventType) bool { return known.Name == t.Name })
	w.types = append(w.types, t)
}

func (w *town) Tenant(ctx context.Context, id string) (event.Tenant, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if r := w.living(id); r != nil && ctx.Err() == nil {
		return r.tenant, nil
	}
	return event.Tenant{}, fmt.Errorf("%w: tenant %s", event.ErrNotFound, id)
}

func (w *town) TenantChanges(_ context.Context, no, after int64, limit int) (event.TenantChanges, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	return w.changes(no, after, limit), nil
}

// changes returns a page of changes. The caller holds the lock.
func (w *town) changes(no, after int64, limit int) event.TenantChanges {
	r := w.tenants[no]
	c := event.TenantChanges{Tenant: r.tenant, To: r.tenant.Version}
	for _, s := range r.subs {
		if r.at[s.ID] <= after || after == 0 && s.Deleted() {
			continue
		}
		if len(c.Subscriptions) == limit {
			c.To = r.at[c.Subscriptions[limit-1].ID]
			break
		}
		c.Subscriptions = append(c.Subscriptions, s)
	}
	return c
}

func (w *town) EventTypesSince(_ context.Context, after int64) (changed []event.EventType, now int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.types {
		if t.Version > after {
			changed = append(changed, t)
		}
	}
	return changed, w.version, nil
}

func (w *town) Subscription(_ context.Context, id event.ID) (event.Subscription, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s, known := w.subs[id]; known {
		return s, nil
	}
	return event.Subscription{}, event.ErrNotFound
}

func (w *town) Accept(_ context.Context, a event.Acceptance) (event.Receipt, error) {
	if w.accepting != nil {
		w.accepting()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accepts++
	r := w.tenants[a.Event.TenantNo]
	key := fmt.Sprint(a.Event.TenantNo, " ", a.IdempotencyKey)
	known, isKnown := w.keys[key]
	switch {
	case w.fail != nil:
		return event.Receipt{}, w.fail
	case r.tenant.Deleted():
		return event.Receipt{}, fmt.Errorf("%w: the tenant was deleted", event.ErrNotFound)
	case isKnown && a.IdempotencyKey != "" && known.hash != a.BodyHash:
		return event.Receipt{}, event.ErrKeyReused
	case isKnown && a.IdempotencyKey != "":
		known.receipt.Replayed, known.receipt.Deliveries = true, nil
		return known.receipt, nil
	case a.TypesVersion != w.version || a.TenantVersion != r.tenant.Version && a.Rematch == nil:
		return event.Receipt{}, event.ErrStale
	case a.TenantVersion != r.tenant.Version:
		w.rematches++
		c := w.changes(a.Event.TenantNo, a.TenantVersion, 1_000_000)
		for range 2 { // a transaction may be repeated
			list, err := a.Rematch(c)
			if err != nil {
				return event.Receipt{}, err
			}
			a.Deliveries = list
		}
	}
	w.stored[a.Event.ID] = a
	receipt := a.Receipt()
	w.keys[key] = kept{a.BodyHash, receipt}
	return receipt, nil
}

func (w *town) Reserve(_ context.Context, sub event.Subscription, size int) (event.Lease, bool) {
	w.mu.Lock()
	w.waited++
	w.mu.Unlock()
	return w.TryReserve(sub, size)
}

func (w *town) TryReserve(sub event.Subscription, _ int) (event.Lease, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full[sub.ID] {
		return event.Lease{}, false
	}
	w.reserved[sub.ID]++
	return event.Lease{Owner: "node-a", Until: w.now.Add(time.Minute)}, true
}

func (w *town) Deliver(c event.Claimed) {
	w.Cancel(c.Delivery.SubscriptionID, len(c.Event.Payload))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handed = append(w.handed, c)
}

func (w *town) Cancel(id event.ID, _ int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reserved[id]--; w.reserved[id] == 0 {
		delete(w.reserved, id)
	}
}

func (w *town) Overflow(id event.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.overflow = append(w.overflow, id)
}

func (w *town) Accepted() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accepted++
}

func (*town) Filtered() {}

func (w *town) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *town) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// publisher returns a Publisher, as each node has one.
func (w *town) publisher(t testing.TB, edits ...func(*PublisherOptions)) *Publisher {
	t.Helper()
	filters, err := NewFilters()
	if err != nil {
		t.Fatal(err)
	}
	o := PublisherOptions{
		Tenants: w, Subscriptions: w, Store: w, Types: &Types{Store: w, Log: slog.New(slog.DiscardHandler)}, Filters: filters,
		Handoff: w, Observer: w, Retention: 72 * time.Hour, Now: w.clock,
	}
	for _, edit := range edits {
		edit(&o)
	}
	p, err := NewPublisher(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func publication(edits ...func(*event.Publication)) event.Publication {
	pub := event.Publication{Tenant: "acme", Type: "invoice.paid", Data: []byte(`{"amount":12}`)}
	for _, edit := range edits {
		edit(&pub)
	}
	return pub
}

// to returns the subscriptions that an event was stored for, ordered by id.
func (w *town) to(id event.ID) (list []event.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.stored[id].Deliveries {
		list = append(list, d.SubscriptionID)
	}
	return sorted(list)
}

func sorted(list []event.ID) []event.ID {
	slices.SortFunc(list, func(a, b event.ID) int { return slices.Compare(a[:], b[:]) })
	return list
}

// isEven checks that each reservation was delivered or cancelled, and that all that was stored was
// handed over or reported as due.
func (w *town) isEven(t testing.TB, why string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.reserved) > 0 {
		t.Errorf("%s: reservations are left: %v", why, w.reserved)
	}
	leased, due := 0, 0
	for _, a := range w.stored {
		for _, d := range a.Deliveries {
			switch {
			case d.LeaseOwner != "":
				leased++
			case d.Status == event.Pending && !d.DueAt.After(a.Event.CreatedAt):
				due++
			}
		}
	}
	if leased != len(w.handed) || due != len(w.overflow) {
		t.Errorf("%s: %d deliveries stored with a lease and %d handed over; %d stored as due and %d reported", why, leased, len(w.handed), due, len(w.overflow))
	}
	if w.accepted != len(w.stored) {
		t.Errorf("%s: %d events stored and %d counted", why, len(w.stored), w.accepted)
	}
}
