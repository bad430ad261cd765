package ingest

import (
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/store/sqlite"
	"github.com/hookferry/hookferry/internal/test/pgtest"
)

// With each store, a subscription that existed before a publication began gets the event on every
// node, and one that was deleted before does not, while others change the tenant as fast as they
// can. So most publications are matched again, and some within the transaction.
func TestPublishOnTheStores(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hookferry.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		publishWhileTheTenantChanges(t, s, s)
	})
	t.Run("postgres", func(t *testing.T) {
		server, err := pgtest.Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Remove)
		url := server.Database(t, "")
		var nodes []store.Store
		for range 2 {
			s, err := postgres.Open(t.Context(), postgres.Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			nodes = append(nodes, s)
		}
		publishWhileTheTenantChanges(t, nodes...)
	})
}

// nodesOn returns a Publisher on each store.
func nodesOn(t *testing.T, hand *town, stores []store.Store) (nodes []*Publisher) {
	t.Helper()
	filters, err := NewFilters()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stores {
		p, err := NewPublisher(PublisherOptions{
			Tenants: s, Subscriptions: s, Store: s, Types: &Types{Store: s, Log: slog.New(slog.DiscardHandler)}, Filters: filters,
			Handoff: hand, Observer: hand, Retention: time.Hour, Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, p)
	}
	return nodes
}

func publishWhileTheTenantChanges(t *testing.T, stores ...store.Store) {
	hand := newTown()
	nodes, s := nodesOn(t, hand, stores), stores[0]
	subscribe := func() event.ID {
		now := time.Now()
		sub := event.Subscription{ID: event.NewID(now), Tenant: "acme", TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now}
		if err := s.CreateSubscription(t.Context(), sub); err != nil {
			t.Error(err)
		}
		return sub.ID
	}
	remove := func(id event.ID) {
		if err := s.DeleteSubscription(t.Context(), id, time.Now(), 0); err != nil {
			t.Error(err)
		}
	}
	first := subscribe() // makes the tenant
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range 50 {
				remove(subscribe())
			}
		})
	}
	for g := range 8 {
		all.Go(func() {
			for i := range 6 {
				id := subscribe()
				for _, exists := range []bool{true, false} {
					got, err := nodes[(g+i)%2].Publish(t.Context(), publication(func(p *event.Publication) { p.Type = "a" }))
					if err != nil {
						t.Errorf("publish: %v", err)
						return
					}
					to, err := s.EventDeliveries(t.Context(), got.Event, 1000)
					if err != nil || len(to) != got.Deliveries || slices.Contains(to, event.DeliveryID(got.Event, id)) != exists || !slices.Contains(to, event.DeliveryID(got.Event, first)) {
						t.Errorf("published to %d of %d, one that exists %v among them: %v", len(to), got.Deliveries, exists, err)
						return
					}
					if exists {
						remove(id)
					}
				}
			}
		})
	}
	all.Wait()
	hand.mu.Lock()
	defer hand.mu.Unlock()
	if len(hand.reserved) > 0 || len(hand.handed) == 0 {
		t.Errorf("%d reservations are left, %d deliveries were handed over", len(hand.reserved), len(hand.handed))
	}
}
