package ingest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// onAccept calls f before each of the first n acceptances.
func (w *town) onAccept(n int, f func()) {
	var calls atomic.Int64
	w.accepting = func() {
		if calls.Add(1) <= int64(n) {
			f()
		}
	}
}

// The index is outdated when the event is stored: the event must get the deliveries of the tenant as
// it is then, however often it changes.
func TestPublishWhileTheTenantChanges(t *testing.T) {
	for _, misses := range []int{1, 2, 3, 4, 7} {
		w := newTown("acme")
		kept, dropped := w.subscribe("acme"), w.subscribe("acme")
		p := w.publisher(t)
		w.mustPublish(t, p, publication(), kept, dropped)
		want := []event.ID{kept}
		w.accepts = 0
		w.onAccept(misses, func() {
			if w.accepts == 0 {
				w.unsubscribe("acme", dropped)
			}
			want = append(want, w.subscribe("acme"))
		})
		got, err := p.Publish(t.Context(), publication())
		if err != nil || !slices.Equal(w.to(got.Event), sorted(want)) || got.Deliveries != len(want) {
			t.Errorf("%d misses: %d deliveries, want %d (%v)", misses, got.Deliveries, len(want), err)
		}
		if accepts := min(misses, rematchAfter) + 1; w.accepts != accepts || w.rematches != max(0, min(misses-rematchAfter, 1)) {
			t.Errorf("%d misses: %d calls, want %d; %d of them matched again", misses, w.accepts, accepts, w.rematches)
		}
		w.accepting = nil
		w.mustPublish(t, p, publication(), want...) // what the transaction saw has not spoiled the index
		w.isEven(t, "changes")
	}
}

// Changes that are rolled back must leave nothing in the index.
func TestRematchLeavesTheIndex(t *testing.T) {
	w := newTown("acme")
	sub := w.subscribe("acme")
	p := w.publisher(t)
	o, err := p.newOffer(publication())
	if err != nil {
		t.Fatal(err)
	}
	if o.tenant, err = p.tenants.find(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	matched, err := p.matching(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r := rematch{publisher: p, offer: o, matched: matched, before: p.acceptance(o, matched).Deliveries}
	phantom := event.Subscription{ID: event.ID{9}, Active: true}
	for range 2 {
		list, err := r.rematch(event.TenantChanges{Tenant: event.Tenant{Version: 9}, To: 9, Subscriptions: []event.Subscription{phantom}})
		if err != nil || len(list) != 2 {
			t.Fatalf("matched again: %v, %v", list, err)
		}
	}
	w.mustPublish(t, p, publication(), sub)
}

// One subscription that a publication is narrowed to changes or disappears within the transaction.
func TestRematchOfOne(t *testing.T) {
	for why, c := range map[string]struct {
		change func(w *town, id event.ID)
		want   int // deliveries; -1 is an error
	}{
		"another is created": {func(w *town, _ event.ID) { w.subscribe("acme") }, 1},
		"it is deleted":      {func(w *town, id event.ID) { w.unsubscribe("acme", id) }, -1},
		"it wants it no more": {func(w *town, id event.ID) {
			w.put("acme", event.Subscription{ID: id, Active: true, EventTypes: []string{"other"}})
		}, 0},
		"it is changed otherwise": {func(w *town, id event.ID) { w.put("acme", event.Subscription{ID: id, Active: true, Name: "x"}) }, 1},
	} {
		w := newTown("acme")
		id := w.subscribe("acme")
		p := w.publisher(t)
		calls := 0
		w.accepting = func() {
			if calls++; calls <= rematchAfter {
				w.subscribe("acme")
			} else {
				c.change(w, id)
			}
		}
		got, err := p.Publish(t.Context(), publication(func(p *event.Publication) { p.Subscription = id }))
		var invalid *event.InvalidError
		if c.want < 0 && !errors.As(err, &invalid) || c.want >= 0 && (err != nil || got.Deliveries != c.want) {
			t.Errorf("%s: %+v, %v", why, got, err)
		}
		w.isEven(t, why)
	}
}

func TestPublishWhileTheRegistryChanges(t *testing.T) {
	w := newTown("acme")
	sub := w.subscribe("acme")
	p := w.publisher(t)
	w.mustPublish(t, p, publication(), sub)
	w.onAccept(5, func() { w.register(event.EventType{Name: "order.paid"}) })
	w.mustPublish(t, p, publication(), sub)
	w.onAccept(1, func() {
		w.register(event.EventType{Name: "invoice.paid", Schema: []byte(`{"required":["total"]}`)})
	})
	var invalid *event.InvalidError
	if _, err := p.Publish(t.Context(), publication()); !errors.As(err, &invalid) || invalid.Fields[0].Field != "data" {
		t.Errorf("a schema that came in time: %v", err)
	}
	w.onAccept(1_000, func() { w.register(event.EventType{Name: "order.paid"}) })
	if _, err := p.Publish(t.Context(), publication(func(p *event.Publication) { p.Type = "x" })); !errors.Is(err, event.ErrUnavailable) || errors.Is(err, event.ErrStale) {
		t.Errorf("a registry that never rests: %v", err)
	}
	w.isEven(t, "registry")
}

func TestPublishToDeletedTenant(t *testing.T) {
	w := newTown("acme")
	before := w.subscribe("acme")
	p, other := w.publisher(t), w.publisher(t)
	w.mustPublish(t, p, publication(), before)
	w.mustPublish(t, other, publication(), before)

	w.remove("acme")
	if _, err := p.Publish(t.Context(), publication()); !errors.Is(err, event.ErrTenantNotFound) {
		t.Errorf("deleted: %v", err)
	}
	if _, _, err := p.Match(t.Context(), publication(), event.ID{}, 1); !errors.Is(err, event.ErrTenantNotFound) {
		t.Errorf("matched after it was deleted: %v", err)
	}
	w.create("acme")
	after := w.subscribe("acme")
	w.mustPublish(t, p, publication(), after)
	w.mustPublish(t, other, publication(), after) // it still knows the former one
	if list, _, err := other.Match(t.Context(), publication(), event.ID{}, 10); err != nil || len(list) != 1 {
		t.Errorf("the match is %v, %v", list, err)
	}

	calls := 0
	w.accepting = func() { // it is deleted between matching and storing
		if calls++; calls == 1 {
			w.remove("acme")
		}
	}
	if _, err := p.Publish(t.Context(), publication()); !errors.Is(err, event.ErrTenantNotFound) {
		t.Errorf("deleted meanwhile: %v", err)
	}
	w.isEven(t, "deleted")
}

// A tenant that is created while others look for it must be found by those that begin later.
func TestNewTenantIsFound(t *testing.T) {
	w := newTown()
	p := w.publisher(t)
	for range 2 {
		if _, err := p.Publish(t.Context(), publication()); !errors.Is(err, event.ErrTenantNotFound) {
			t.Fatalf("before it exists: %v", err)
		}
	}
	var all sync.WaitGroup
	var exists atomic.Bool
	for range 8 {
		all.Go(func() {
			for range 100 {
				existed := exists.Load()
				if _, err := p.Publish(t.Context(), publication()); existed && err != nil {
					t.Errorf("it exists: %v", err)
				}
			}
		})
	}
	all.Go(func() { w.create("acme"); exists.Store(true) })
	all.Wait()
	w.mustPublish(t, p, publication())
}

// slowTenants is a store whose first answer about a tenant is held back.
type slowTenants struct {
	*town
	once       sync.Once
	read, pass chan struct{}
}

func (s *slowTenants) Tenant(ctx context.Context, id string) (event.Tenant, error) {
	found, err := s.town.Tenant(ctx, id)
	s.once.Do(func() { close(s.read); <-s.pass })
	return found, err
}

// A publication that shares a look-up which began before the tenant was created must not be told
// that there is none.
func TestSharedLookUpIsNotTrusted(t *testing.T) {
	w := newTown()
	s := &slowTenants{town: w, read: make(chan struct{}), pass: make(chan struct{})}
	p := w.publisher(t, func(o *PublisherOptions) { o.Tenants = s })
	var all sync.WaitGroup
	all.Go(func() { _, _ = p.Publish(t.Context(), publication()) })
	<-s.read
	w.create("acme")
	sub := w.subscribe("acme")
	all.Go(func() {
		got, err := p.Publish(t.Context(), publication())
		if err != nil || !slices.Equal(w.to(got.Event), []event.ID{sub}) {
			t.Errorf("the tenant exists: %+v, %v", got, err)
		}
	})
	time.AfterFunc(20*time.Millisecond, func() { close(s.pass) }) // whether it shares the look-up or not, it must find the tenant
	all.Wait()
}

// Publications that end early, because their callers hang up, must not harm others.
func TestCallerHangsUp(t *testing.T) {
	w := newTown("acme")
	sub := w.subscribe("acme")
	p := w.publisher(t)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, err := p.Publish(gone, publication()); errors.Is(err, event.ErrTenantNotFound) {
		t.Errorf("the caller that hung up: %v", err)
	}
	got, err := p.Publish(t.Context(), publication())
	if err != nil || !slices.Equal(w.to(got.Event), []event.ID{sub}) {
		t.Errorf("the next one: %+v, %v", got, err)
	}
	w.isEven(t, "hung up")
}

// Promise 8: a subscription that existed before a publication began gets the event, and one that was
// deleted before does not, on every node, while others change the tenant.
func TestSubscriptionsThatExistedGetEvents(t *testing.T) {
	w := newTown("acme")
	nodes := []*Publisher{w.publisher(t), w.publisher(t)}
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 30 {
				node := nodes[(g+i)%len(nodes)]
				id := w.subscribe("acme")
				got, err := node.Publish(t.Context(), publication())
				if err != nil || !slices.Contains(w.to(got.Event), id) {
					t.Errorf("a subscription that existed did not get the event: %v", err)
					return
				}
				w.unsubscribe("acme", id)
				got, err = node.Publish(t.Context(), publication())
				if err != nil || slices.Contains(w.to(got.Event), id) {
					t.Errorf("a subscription that was deleted got the event: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	w.isEven(t, "changes")
}

// A tenant is loaded in pages, and once by however many begin at the same time.
func TestTenantIsLoadedOnce(t *testing.T) {
	w := newTown("acme")
	var all []event.ID
	for range 2*changesPage + 1 {
		all = append(all, w.subscribe("acme"))
	}
	w.unsubscribe("acme", all[0])
	p := w.publisher(t)
	var together sync.WaitGroup
	for range 4 {
		together.Go(func() {
			got, err := p.Publish(t.Context(), publication())
			if err != nil || got.Deliveries != len(all)-1 {
				t.Errorf("%d deliveries, want %d (%v)", got.Deliveries, len(all)-1, err)
			}
		})
	}
	together.Wait()
	if w.reads != 1+3 {
		t.Errorf("%d reads, want one of the tenant and three pages", w.reads)
	}
	w.mustPublish(t, p, publication(), all[1:]...)
	if w.reads != 1+3 {
		t.Errorf("a publication that needed nothing made %d reads", w.reads-4)
	}
}

// The memory of the indexes is limited, however many tenants publish.
func TestTenantsMakeWay(t *testing.T) {
	w := newTown()
	p := w.publisher(t)
	p.tenants.cache.SetMaximum(100_000)
	for i := range 300 {
		id := string(rune('a'+i%26)) + string(rune('a'+i/26))
		w.create(id)
		sub := w.subscribe(id)
		w.mustPublish(t, p, publication(func(p *event.Publication) { p.Tenant = id }), sub)
	}
	p.tenants.cache.CleanUp()
	if size := p.tenants.cache.WeightedSize(); size > 100_000 || size < 20_000 {
		t.Errorf("the indexes take %d bytes", size)
	}
	p.tenants.cache.SetMaximum(10_000_000)
	grows := publication(func(p *event.Publication) { p.Tenant = "aa" })
	only := w.living("aa").subs[0].ID
	w.mustPublish(t, p, grows, only)
	for range 300 {
		w.subscribe("aa", filter(`{"data":{"a":"`+strings.Repeat("x", 50)+`"}}`))
	}
	w.mustPublish(t, p, grows, only)
	p.tenants.cache.CleanUp()
	if size := p.tenants.cache.WeightedSize(); size < 300*1000 {
		t.Errorf("after one has grown, the indexes take %d bytes", size)
	}
}

// A publication is not refused because the registry in memory is outdated, and what the newest one
// refuses is refused.
func TestPublishRefusesByTheNewestRegistry(t *testing.T) {
	w := newTown("acme")
	sub := w.subscribe("acme")
	p := w.publisher(t, func(o *PublisherOptions) { o.Types = &Types{Store: w, RegisteredOnly: true} })
	refused := func(why string) {
		t.Helper()
		if _, err := p.Publish(t.Context(), publication()); !errors.As(err, new(*event.InvalidError)) {
			t.Errorf("%s: %v", why, err)
		}
	}
	name := publication().Type
	refused("not registered")
	w.register(event.EventType{Name: name})
	w.mustPublish(t, p, publication(), sub)
	w.register(event.EventType{Name: name, Schema: []byte("false")})
	refused("the new schema permits nothing")
	w.register(event.EventType{Name: name, Schema: []byte("true")})
	w.mustPublish(t, p, publication(), sub)
	w.register(event.EventType{Name: name, ArchivedAt: w.now})
	refused("archived")
}

// Those who wait for another's read of the store stop when their context ends.
func TestTurnEndsWithTheContext(t *testing.T) {
	var lock turn
	if err := lock.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lock.take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("taken twice, or %v", err)
	}
	lock.leave()
	if err := lock.take(t.Context()); err != nil {
		t.Errorf("it was left: %v", err)
	}
}
