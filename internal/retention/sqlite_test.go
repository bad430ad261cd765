package retention

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// file is the real store, with a test's deliveries in it.
type file struct {
	t *testing.T
	*sqlite.Store
}

func (f file) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f file) subscribe() event.Subscription {
	f.t.Helper()
	now := time.Now()
	sub := event.Subscription{ID: event.NewID(now), TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now}
	f.must(f.CreateSubscription(f.t.Context(), sub))
	return sub
}

// accept stores an event and its delivery.
func (f file) accept(sub event.Subscription) event.Delivery {
	f.t.Helper()
	now := time.Now()
	e := event.Event{ID: event.NewID(now), Type: "user.created", Payload: []byte(`{}`), CreatedAt: now}
	d := event.Delivery{ID: event.NewID(now), EventID: e.ID, SubscriptionID: sub.ID, DueAt: now, CreatedAt: now}
	_, err := f.Accept(f.t.Context(), event.Acceptance{Event: e, Deliveries: []event.Delivery{d}})
	f.must(err)
	return d
}

func (f file) attempt(d event.Delivery, o event.Outcome, retries ...time.Duration) event.Delivery {
	f.t.Helper()
	o.StartedAt = time.Now()
	s := event.Settle(d, o, retries, time.Now(), 0.5)
	f.must(f.Record(f.t.Context(), []event.Settlement{s}))
	return s.Delivery
}

func (f file) kept(id event.ID) bool {
	f.t.Helper()
	_, err := f.Delivery(f.t.Context(), id)
	if err != nil && !errors.Is(err, event.ErrNotFound) {
		f.t.Fatal(err)
	}
	return err == nil
}

func TestWhatIsKeptAndWhatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "hookferry.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		f := file{t, store}
		r := Retention{Store: store, Keep: 72 * time.Hour, Log: slog.New(slog.DiscardHandler)}
		sub, paused, deleted := f.subscribe(), f.subscribe(), f.subscribe()
		ok, refused := event.Outcome{StatusCode: 200}, event.Outcome{StatusCode: 500, Code: event.CodeStatus}

		want := map[string]struct {
			id   event.ID
			kept bool
			why  string
		}{}
		add := func(name string, d event.Delivery, kept bool, why string) {
			want[name] = struct {
				id   event.ID
				kept bool
				why  string
			}{d.ID, kept, why}
		}
		add("delivered", f.attempt(f.accept(sub), ok), false, "it settled 73 hours ago")
		add("failed", f.attempt(f.accept(sub), refused), false, "it settled 73 hours ago")
		add("never attempted", f.accept(sub), true, "it is pending, and age does not matter")
		add("to be retried", f.attempt(f.accept(sub), refused, time.Hour), true, "it is pending, with an attempt on record")
		slow := f.accept(sub)
		add("cancelled", f.accept(deleted), false, "it was cancelled 73 hours ago")
		add("paused", f.accept(paused), true, "its subscription has been inactive for 73 hours: it is cancelled now, and kept for the retention")
		f.must(store.DeleteSubscription(ctx, deleted.ID, time.Now(), 0))
		paused.Active, paused.UpdatedAt = false, time.Now()
		_, err = store.ReplaceSubscription(ctx, paused)
		f.must(err)
		time.Sleep(2 * time.Hour)
		add("delivered late", f.attempt(slow, ok), true, "it settled 71 hours ago, although it is older")
		add("delivered then", f.attempt(f.accept(sub), ok), true, "it settled 71 hours ago")
		time.Sleep(71 * time.Hour)

		if n, err := r.runOnce(ctx, systemClock()); err != nil || n != 4 {
			t.Errorf("deleted and cancelled %d, with error %v; want 4", n, err)
		}
		for name, w := range want {
			if got := f.kept(w.id); got != w.kept {
				t.Errorf("%s: kept %v, want %v: %s", name, got, w.kept, w.why)
			}
		}
		if report, err := store.Delivery(ctx, want["to be retried"].id); err != nil || len(report.Attempts) != 1 {
			t.Errorf("the delivery to be retried has %d attempts on record, error %v", len(report.Attempts), err)
		}
		if _, err := store.Subscription(ctx, deleted.ID); !errors.Is(err, event.ErrNotFound) {
			t.Errorf("the deleted subscription is still there, although it has no history: %v", err)
		}
		f.account(ctx, map[event.Status]int{event.Pending: 2, event.Delivered: 2, event.Cancelled: 1})

		time.Sleep(73 * time.Hour) // nothing else settles, so only the two pending deliveries are left
		_, err = r.runOnce(ctx, systemClock())
		f.must(err)
		f.account(ctx, map[event.Status]int{event.Pending: 2})
	})
}

func (f file) account(ctx context.Context, want map[event.Status]int) {
	f.t.Helper()
	got, err := f.Count(ctx)
	f.must(err)
	for _, s := range event.Statuses {
		if got[s] != want[s] {
			f.t.Errorf("%d are %v, want %d", got[s], s, want[s])
		}
	}
}
