package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// filling is a store for large events, and the length of its log.
type filling struct {
	t   *testing.T
	s   *Store
	sub event.ID
}

func newFilling(t *testing.T) filling {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "hookferry.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	now := time.Now()
	sub := event.Subscription{ID: event.NewID(now), TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now}
	if err := s.CreateSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	return filling{t, s, sub.ID}
}

// megabyte accepts an event of one megabyte and returns the length of the log.
func (f filling) megabyte() (log int64) {
	f.t.Helper()
	now := time.Now()
	e := event.Event{ID: event.NewID(now), Type: "user.created", ContentType: "application/json", Payload: make([]byte, 1<<20), CreatedAt: now}
	d := event.Delivery{ID: event.DeliveryID(e.ID, f.sub), EventID: e.ID, SubscriptionID: f.sub, DueAt: now, CreatedAt: now}
	if _, err := f.s.Accept(f.t.Context(), event.Acceptance{Event: e, Deliveries: []event.Delivery{d}}); err != nil {
		f.t.Fatal(err)
	}
	if err := f.s.write(f.t.Context(), 0, func(w *writer) error { log = w.log.Size(); return nil }); err != nil {
		f.t.Fatal(err)
	}
	return log
}

// startsAgain writes up to that many megabytes, until the log starts again.
func (f filling) startsAgain(most int) {
	f.t.Helper()
	longest := int64(0)
	for range most {
		log := f.megabyte()
		if log < longest {
			return
		}
		longest = log
	}
	f.t.Fatalf("the log has grown to %d bytes and has not started again", longest)
}

// The log is written back concurrently with the writer, and starts again each time it is full.
func TestTheLogBeginsAnew(t *testing.T) {
	f := newFilling(t)
	for range 3 {
		f.startsAgain(400)
	}
}

// A long read keeps the log from starting again, but only until it ends.
func TestTheLogWaitsForReads(t *testing.T) {
	f := newFilling(t)
	f.megabyte()
	tx, err := f.s.reads.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	count := func() (n int) {
		t.Helper()
		if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM events").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n != 1 {
		t.Fatalf("%d events at the beginning", n)
	}
	for log := int64(0); log < rawsqlite.DefaultLogSize*3/2; {
		before := log
		if log = f.megabyte(); log < before {
			t.Fatalf("the log has started again at %d bytes, although a transaction reads it", before)
		}
	}
	if n := count(); n != 1 {
		t.Errorf("the long read sees %d events, want 1", n)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	f.startsAgain(400)
}
