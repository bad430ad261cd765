package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// slow is a store with one subscription. Its first load reads the subscription and then waits for
// letGo before it returns.
type slow struct {
	store.Store
	letGo chan struct{} // nil: nothing hangs
	fails error
	wrote func() // called when a write is on disk, before it returns

	mu    sync.Mutex
	sub   event.Subscription
	loads int
}

func (s *slow) Subscription(ctx context.Context, _ event.ID) (event.Subscription, error) {
	s.mu.Lock()
	s.loads++
	read, err, hangs := s.sub, s.fails, s.letGo != nil && s.loads == 1
	s.mu.Unlock()
	if hangs {
		select {
		case <-s.letGo:
		case <-ctx.Done():
			return event.Subscription{}, ctx.Err()
		}
	}
	return read, err
}

func (s *slow) change(f func(*event.Subscription)) {
	s.mu.Lock()
	f(&s.sub)
	s.mu.Unlock()
	if s.wrote != nil {
		s.wrote()
	}
}

func (s *slow) ReplaceSubscription(_ context.Context, sub event.Subscription) (event.Subscription, error) {
	s.change(func(to *event.Subscription) { *to = sub })
	return sub, nil
}

func (s *slow) PauseSubscription(_ context.Context, _ event.ID, p event.Pause) (event.Subscription, error) {
	s.change(func(to *event.Subscription) { to.PausedAt, to.Description = p.At, "new" })
	return event.Subscription{}, nil
}

func (s *slow) ResumeSubscription(context.Context, event.ID, time.Time) (event.Subscription, error) {
	s.change(func(to *event.Subscription) { to.PausedAt, to.Description = time.Time{}, "new" })
	return event.Subscription{}, nil
}

func (s *slow) DeleteSubscription(_ context.Context, _ event.ID, at time.Time, _ int64) error {
	s.change(func(to *event.Subscription) { to.DeletedAt, to.Description = at, "new" })
	return nil
}

func (s *slow) ClearTenants(_ context.Context, now time.Time, _ int) (int, error) {
	s.change(func(to *event.Subscription) { to.DeletedAt, to.Description = now, "new" })
	return 1, nil
}

func (s *slow) Record(_ context.Context, settlements []event.Settlement) error {
	s.change(func(to *event.Subscription) { to.Active, to.Description = false, "new" })
	return nil
}

var id = event.NewID(time.Now())

func cached(t *testing.T, s store.Store) *store.Cached {
	t.Helper()
	c, err := store.WithCache(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func description(t *testing.T, c *store.Cached) string {
	t.Helper()
	sub, err := c.Subscription(t.Context(), id)
	if err != nil {
		t.Error(err)
	}
	return sub.Description
}

var writes = map[string]func(context.Context, *store.Cached) error{
	"replace": func(ctx context.Context, c *store.Cached) error {
		_, err := c.ReplaceSubscription(ctx, event.Subscription{ID: id, Description: "new"})
		return err
	},
	"delete": func(ctx context.Context, c *store.Cached) error { return c.DeleteSubscription(ctx, id, time.Now(), 0) },
	"delete with its tenant": func(ctx context.Context, c *store.Cached) error {
		_, err := c.ClearTenants(ctx, time.Now(), 10)
		return err
	},
	"pause": func(ctx context.Context, c *store.Cached) error {
		_, err := c.PauseSubscription(ctx, id, event.Pause{At: time.Now()})
		return err
	},
	"resume": func(ctx context.Context, c *store.Cached) error {
		_, err := c.ResumeSubscription(ctx, id, time.Now())
		return err
	},
	"change of the endpoint's health": func(ctx context.Context, c *store.Cached) error {
		return c.Record(ctx, []event.Settlement{{Delivery: event.Delivery{SubscriptionID: id}, Health: event.HealthChange{Kind: event.HealthRefused}}})
	},
	"disable by 410 Gone": func(ctx context.Context, c *store.Cached) error {
		return c.Record(ctx, []event.Settlement{{Delivery: event.Delivery{SubscriptionID: id}, DisableReason: "gone"}})
	},
}

func TestWritesAreSeenAtOnce(t *testing.T) {
	for name, write := range writes {
		s := &slow{sub: event.Subscription{ID: id, Description: "old"}}
		c := cached(t, s)
		if got := description(t, c) + description(t, c); got != "oldold" || s.loads != 1 {
			t.Fatalf("before: %q with %d loads", got, s.loads)
		}
		if err := write(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if got := description(t, c); got != "new" {
			t.Errorf("%s: the next read finds the %s subscription", name, got)
		}
	}
}

// A caller that learns of a write before it returns, for instance by a delivery's status, must
// read the subscription as it is after the write.
func TestWritesAreSeenBeforeTheyReturn(t *testing.T) {
	for name, write := range writes {
		s := &slow{sub: event.Subscription{ID: id, Description: "old"}}
		c := cached(t, s)
		description(t, c)
		s.wrote = func() {
			if got := description(t, c); got != "new" {
				t.Errorf("%s: a read after the commit finds the %s subscription", name, got)
			}
		}
		if err := write(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if got := description(t, c) + description(t, c); got != "newnew" || s.loads > 3 {
			t.Errorf("%s: afterwards reads find %s, with %d loads", name, got, s.loads)
		}
	}
}

// A load that was under way during a write has read the old subscription. It must neither stay in
// the cache nor be returned to a read that began after the write.
func TestWritesDuringALoad(t *testing.T) {
	for name, write := range writes {
		synctest.Test(t, func(t *testing.T) {
			s := &slow{sub: event.Subscription{ID: id, Description: "old"}, letGo: make(chan struct{})}
			c := cached(t, s)
			var wg sync.WaitGroup
			wg.Go(func() { description(t, c) })
			synctest.Wait() // it has read, and hangs
			if err := write(t.Context(), c); err != nil {
				t.Error(err)
			}
			if got := description(t, c); got != "new" {
				t.Errorf("%s: a read that began after it finds the %s subscription", name, got)
			}
			close(s.letGo)
			wg.Wait()
			if got := description(t, c); got != "new" {
				t.Errorf("%s: the load that was under way left the %s subscription in the cache", name, got)
			}
		})
	}
}

// The settlement of a successful delivery does not change its subscription.
func TestRecordKeepsWhatItDoesNotChange(t *testing.T) {
	s := &slow{sub: event.Subscription{ID: id}}
	c := cached(t, s)
	description(t, c)
	if err := c.Record(t.Context(), []event.Settlement{{Delivery: event.Delivery{SubscriptionID: id}}}); err != nil {
		t.Fatal(err)
	}
	if description(t, c); s.loads != 1 {
		t.Errorf("%d loads, want 1", s.loads)
	}
}

func TestErrorsAreNotKept(t *testing.T) {
	for _, fails := range []error{event.ErrNotFound, event.ErrUnavailable} {
		s := &slow{sub: event.Subscription{ID: id, Description: "there"}, fails: fails}
		c := cached(t, s)
		if _, err := c.Subscription(t.Context(), id); !errors.Is(err, fails) {
			t.Errorf("got error %v, want %v", err, fails)
		}
		s.fails = nil
		if got := description(t, c); got != "there" {
			t.Errorf("after %v: got %q", fails, got)
		}
	}
}

func TestConcurrentReadsLoadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{sub: event.Subscription{ID: id, Description: "there"}, letGo: make(chan struct{})}
		c := cached(t, s)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got := description(t, c); got != "there" {
					t.Errorf("got %q", got)
				}
			})
		}
		synctest.Wait() // all of them are waiting
		close(s.letGo)
		wg.Wait()
		if s.loads != 1 {
			t.Errorf("%d loads for 50 reads at once, want 1", s.loads)
		}
	})
}

// If a caller is cancelled while its load serves others too, the others must not fail.
func TestReaderThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{sub: event.Subscription{ID: id, Description: "there"}, letGo: make(chan struct{})}
		c := cached(t, s)
		ctx, hangUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Subscription(ctx, id); !errors.Is(err, context.Canceled) {
				t.Errorf("the caller that was cancelled got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if got := description(t, c); got != "there" {
				t.Errorf("the other got %q", got)
			}
		})
		synctest.Wait()
		hangUp()
		wg.Wait()
	})
}
