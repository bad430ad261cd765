package fill

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

func TestWriteSpreadsEvenly(t *testing.T) {
	for _, f := range []Filling{
		{Settled: 10, Subscriptions: 3},             // does not divide evenly
		{Settled: 3, Subscriptions: 10},             // fewer than subscriptions
		{Settled: 50_000, Subscriptions: 1000},      // all in turn
		{Settled: 500_000, Subscriptions: 5000},     // in batches
		{Settled: 15_000, Subscriptions: 1500},      // the last batch is smaller
		{Settled: 1_000_000, Subscriptions: 10_000}, // the size in the report
	} {
		counts := make([]int, f.Subscriptions)
		for n := range f.Settled {
			counts[f.subscription(n)]++
		}
		low, high := counts[0], counts[0]
		for _, n := range counts {
			low, high = min(low, n), max(high, n)
		}
		if high-low > 1 {
			t.Errorf("%d deliveries of %d subscriptions: %d of one and %d of another", f.Settled, f.Subscriptions, low, high)
		}
	}
}

func TestWriteFillsADatabase(t *testing.T) {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hookferry.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	some, err := Write(t.Context(), s, Filling{
		Settled: 30, Subscriptions: 4, Due: 7, Target: "http://127.0.0.1:9/", Payload: func(int) []byte { return []byte("{}") },
	})
	if err != nil {
		t.Fatal(err)
	}
	counts, err := s.Count(t.Context())
	if err != nil || counts[event.Delivered] != 30 || counts[event.Pending] != 7 {
		t.Errorf("the database counts %v, %v", counts, err)
	}
	for _, text := range some {
		id, err := event.ParseID(text)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := s.Delivery(t.Context(), id); err != nil || d.Delivery.Status != event.Delivered || len(d.Attempts) != 1 {
			t.Errorf("delivery %s: %+v, %v", text, d, err)
		}
	}
	if len(some) != 30 { // one in a thousand, or all if there are fewer
		t.Errorf("%d ids are returned", len(some))
	}
}

// full is a database that accepts no events.
type full struct{ Store }

func (full) CreateSubscription(context.Context, event.Subscription) error { return nil }

func (full) Accept(context.Context, event.Acceptance) (event.Receipt, error) {
	return event.Receipt{}, event.ErrFull
}

func TestWriteEndsWithTheFirstFailure(t *testing.T) {
	if _, err := Write(t.Context(), full{}, Filling{Settled: 10_000, Subscriptions: 1}); !errors.Is(err, event.ErrFull) {
		t.Errorf("got %v", err)
	}
}
