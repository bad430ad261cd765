package ingest

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// With the real store, the same key and body return the same ids, even to two concurrent requests,
// and only one delivery is handed over.
func TestKeysOnTheRealStore(t *testing.T) {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hookferry.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := newWorld()
	w.sub.TargetURL, w.sub.CreatedAt, w.sub.UpdatedAt = "https://example.com/", w.now, w.now
	if err := s.CreateSubscription(t.Context(), w.sub); err != nil {
		t.Fatal(err)
	}
	hand := &counter{}
	in := &Ingest{Subscriptions: s, Store: s, Handoff: hand, Observer: hand, Now: time.Now}
	submit := func(key, body string) (event.Submitted, error) {
		return in.Ingest(context.Background(), event.Submission{SubscriptionID: w.sub.ID, Body: []byte(body), IdempotencyKey: key})
	}

	var mu sync.Mutex
	receipts := map[event.ID]int{} // by the event
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			got, err := submit("order-1", good)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			receipts[got.Receipt.Event]++
		})
	}
	wg.Wait()
	if len(receipts) != 1 || hand.delivered != 1 || hand.cancelled != 15 || hand.accepted != 1 {
		t.Errorf("%d different results, %d handed over, %d cancelled, %d counted; want 1, 1, 15, 1",
			len(receipts), hand.delivered, hand.cancelled, hand.accepted)
	}
	if _, err := submit("order-1", good+" "); !errors.Is(err, event.ErrKeyReused) {
		t.Errorf("the key with another body: %v", err)
	}
	if got, err := submit("order-2", good); err != nil || got.Receipt.Replayed || receipts[got.Receipt.Event] > 0 {
		t.Errorf("another key: %+v, %v", got, err)
	}
	if n, err := s.Count(t.Context()); err != nil || n[event.Pending] != 2 {
		t.Errorf("%v stored, error %v, want 2", n, err)
	}
}

// counter is a Handoff with capacity for everything.
type counter struct {
	mu                                       sync.Mutex
	reserved, delivered, cancelled, accepted int
}

func (c *counter) add(n *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

func (c *counter) Reserve(context.Context, event.Subscription, int) (event.Lease, bool) {
	c.add(&c.reserved)
	return event.Lease{Owner: "node-a", Until: time.Now().Add(time.Minute)}, true
}
func (c *counter) Deliver(event.Claimed) { c.add(&c.delivered) }
func (c *counter) Cancel(event.ID, int)  { c.add(&c.cancelled) }
func (c *counter) Overflow(event.ID)     { panic("there was capacity") }
func (c *counter) Accepted()             { c.add(&c.accepted) }
func (c *counter) Filtered()             { panic("it is wanted") }
