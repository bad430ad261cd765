package postgres

import (
	"errors"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/pgtest"
)

// One batch has an event that the database refuses, one of a deleted subscription, two with the
// same key, and one that must be stored in spite of them.
func TestOneBadRowFailsAlone(t *testing.T) {
	server, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Remove()
	s, err := Open(t.Context(), Options{URL: server.URL("postgres")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	sub := event.Subscription{ID: event.NewID(now), Active: true, CreatedAt: now, UpdatedAt: now}
	if err := s.CreateSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	offer := func(sub event.ID, key string, body byte) *op {
		id := event.NewID(now)
		return &op{done: make(chan struct{}, 1), acceptance: event.Acceptance{
			Event:          event.Event{ID: id, Type: "a", CreatedAt: now},
			Deliveries:     []event.Delivery{{ID: event.DeliveryID(id, sub), EventID: id, SubscriptionID: sub, DueAt: now, CreatedAt: now}},
			IdempotencyKey: key, BodyHash: [32]byte{body},
		}}
	}
	first := offer(sub.ID, "kept", 1)
	s.writer.commit([]*op{first})
	poison := offer(sub.ID, "", 0)
	poison.acceptance.Deliveries[0].ID, poison.acceptance.Event.ID = first.acceptance.Deliveries[0].ID, first.acceptance.Event.ID
	poison.acceptance.Deliveries[0].EventID = poison.acceptance.Event.ID
	for _, bad := range []*op{nil, poison} {
		batch := []*op{
			offer(sub.ID, "", 0), offer(event.NewID(now), "", 0), offer(sub.ID, "kept", 2), offer(sub.ID, "kept", 1),
			offer(sub.ID, "new", 1), offer(sub.ID, "new", 1), offer(sub.ID, "new", 2), offer(event.NewID(now), "new", 1),
		}
		if bad != nil {
			for _, o := range batch[4:7] {
				o.acceptance.IdempotencyKey = "newer"
			}
			batch = append(batch, bad)
		}
		s.writer.commit(batch)
		for i, want := range []struct {
			err      error
			replayed bool
		}{{}, {err: event.ErrNotFound}, {err: event.ErrKeyReused}, {replayed: true}, {}, {replayed: true}, {err: event.ErrKeyReused}, {err: event.ErrNotFound}} {
			o := batch[i]
			if !errors.Is(o.err, want.err) || want.err == nil && o.receipt.Replayed != want.replayed {
				t.Errorf("%d: got %v, replayed is %v; want %v and %v", i, o.err, o.receipt.Replayed, want.err, want.replayed)
			}
			if want.err == nil {
				if _, err := s.Delivery(t.Context(), o.receipt.Deliveries[0]); err != nil {
					t.Errorf("%d: the receipt's delivery: %v", i, err)
				}
			}
		}
		if bad != nil && (bad.err == nil || errors.Is(bad.err, event.ErrUnavailable)) {
			t.Errorf("the bad one got %v, want an error about its own row", bad.err)
		}
	}
}

// publishedOp is an event that is published to one subscription at a tenant's version.
func publishedOp(to event.Tenant, sub event.ID, key string, edit func(*event.Acceptance)) *op {
	now := time.Now()
	id := event.NewID(now)
	o := &op{done: make(chan struct{}, 1), acceptance: event.Acceptance{
		Event:          event.Event{ID: id, Type: "a", CreatedAt: now, TenantNo: to.No},
		Deliveries:     []event.Delivery{{ID: event.DeliveryID(id, sub), EventID: id, SubscriptionID: sub, DueAt: now, CreatedAt: now}},
		IdempotencyKey: key, Published: true, TenantVersion: to.Version, TypesVersion: 1,
	}}
	if edit != nil {
		edit(&o.acceptance)
	}
	return o
}

// One batch has published events of each kind, beside a plain one and two that the database
// refuses. Each gets its own result.
func TestPublishedInOneBatch(t *testing.T) {
	server, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Remove()
	s, err := Open(t.Context(), Options{URL: server.URL("postgres")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	create := func(tenant string) (event.Subscription, event.Tenant) {
		sub := event.Subscription{ID: event.NewID(now), Tenant: tenant, Active: true, CreatedAt: now, UpdatedAt: now}
		if err := s.CreateSubscription(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
		to, err := s.Tenant(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		return sub, to
	}
	sub, acme := create("acme")
	ended, over := create("over")
	if err := s.DeleteTenant(t.Context(), "over", now); err != nil {
		t.Fatal(err)
	}
	older := func(a *event.Acceptance) { a.TenantVersion-- }
	otherBody := func(a *event.Acceptance) { a.BodyHash[0]++ }
	first := publishedOp(acme, sub.ID, "kept", nil)
	s.writer.commit([]*op{first})
	for round, poisoned := range []bool{false, true} {
		fresh := string(rune('a' + round))
		tests := []struct {
			reason   string
			op       *op
			err      error
			replayed bool
		}{
			{"a new event", publishedOp(acme, sub.ID, "", nil), nil, false},
			{"a stale one with a key of its own", publishedOp(acme, sub.ID, "stale", older), event.ErrStale, false},
			{"the first of the present version with this key", publishedOp(acme, sub.ID, fresh, nil), nil, false},
			{"a stale one with the same key", publishedOp(acme, sub.ID, fresh, older), nil, true},
			{"the second one", publishedOp(acme, sub.ID, fresh, nil), nil, true},
			{"a third one with another body", publishedOp(acme, sub.ID, fresh, otherBody), event.ErrKeyReused, false},
			{"a replay of an older version", publishedOp(acme, sub.ID, "kept", older), nil, true},
			{"another body for a key from before", publishedOp(acme, sub.ID, "kept", otherBody), event.ErrKeyReused, false},
			{"checked at other event types", publishedOp(acme, sub.ID, "", func(a *event.Acceptance) { a.TypesVersion++ }), event.ErrStale, false},
			{"to a subscription that does not exist", publishedOp(acme, event.NewID(now), "x", nil), event.ErrNotFound, false},
			{"of a deleted tenant", publishedOp(over, ended.ID, "", func(a *event.Acceptance) { a.TenantVersion++ }), event.ErrNotFound, false},
			{"of a tenant that never existed", publishedOp(event.Tenant{No: 4711}, ended.ID, "", nil), event.ErrNotFound, false},
			{"without deliveries", publishedOp(acme, sub.ID, "none"+fresh, func(a *event.Acceptance) { a.Deliveries = nil }), nil, false},
			{"a plain one", publishedOp(event.Tenant{}, sub.ID, "", func(a *event.Acceptance) { a.Published, a.TenantVersion, a.TypesVersion = false, 0, 0 }), nil, false},
		}
		var batch []*op
		for i := range tests {
			batch = append(batch, tests[i].op)
		}
		poison := publishedOp(acme, sub.ID, "poison", func(a *event.Acceptance) { a.Event.ID = first.acceptance.Event.ID })
		if poisoned {
			batch = append(batch, poison)
		}
		s.writer.commit(batch)
		for _, tt := range tests {
			o := tt.op
			if !errors.Is(o.err, tt.err) || tt.err == nil && o.receipt.Replayed != tt.replayed {
				t.Errorf("%s: got %v, replayed is %v; want %v and %v", tt.reason, o.err, o.receipt.Replayed, tt.err, tt.replayed)
			}
			var stored bool
			err := s.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM events WHERE id = $1)`, uuid(o.acceptance.Event.ID)).Scan(&stored)
			if want := tt.err == nil && !tt.replayed; err != nil || stored != want {
				t.Errorf("%s: it is stored: %v, %v", tt.reason, stored, err)
			}
		}
		var keys int
		err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM event_keys k WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = k.event_id)`).Scan(&keys)
		if err != nil || keys != 0 {
			t.Errorf("%d keys are left without their event: %v", keys, err)
		}
		if poisoned && (poison.err == nil || errors.Is(poison.err, event.ErrUnavailable)) {
			t.Errorf("the bad one got %v, want an error that says that it is its own fault", poison.err)
		}
	}
}
