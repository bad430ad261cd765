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
			t.Errorf("the bad one got %v, want an error that says that it is its own fault", bad.err)
		}
	}
}
