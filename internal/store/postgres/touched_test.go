package postgres_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
)

const retention = 72 * time.Hour

// oldWindow is a partition of ten days ago in which one delivery settled an hour less than the
// retention ago. Two nodes have both noticed that nothing in it is pending.
type oldWindow struct {
	t        *testing.T
	url      string
	one, two *postgres.Store
	now      time.Time
	claimed  event.Delivery // before its attempt
}

func newOldWindow(t *testing.T) oldWindow {
	t.Helper()
	url := server.Database(t, template)
	w := oldWindow{t: t, url: url, one: open(t, postgres.Options{URL: url}), two: open(t, postgres.Options{URL: url}), now: time.Now()}
	sub := subscribed(t, w.one)
	w.claimed = accept(t, w.one, offer(sub.ID, w.now.Add(-10*24*time.Hour)))
	deliver(t, w.one, w.claimed, w.now.Add(time.Hour-retention))
	for _, s := range []*postgres.Store{w.one, w.two} {
		if w.expire(s, w.now.Add(-retention)); !w.kept() {
			t.Fatal("the window was dropped before the retention was over")
		}
	}
	return w
}

// expire deletes what is older than before.
func (w oldWindow) expire(s *postgres.Store, before time.Time) {
	w.t.Helper()
	if _, err := s.Expire(w.t.Context(), before, w.now, 10); err != nil {
		w.t.Fatal(err)
	}
}

func (w oldWindow) kept() bool {
	suffix, _ := postgres.WritesIn(w.claimed.ID.Time())
	return slices.Contains(partitionsOf(w.t, w.url, "deliveries"), "deliveries"+suffix)
}

// resend makes the delivery due again on node two.
func (w oldWindow) resend() event.Delivery {
	w.t.Helper()
	d, err := w.two.Resend(w.t.Context(), w.claimed.ID, w.now, true)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// settledAgain is when a resent delivery settles, after two hours of retries.
func (w oldWindow) settledAgain() time.Time { return w.now.Add(2 * time.Hour) }

func TestTouchedWindowIsKept(t *testing.T) {
	t.Parallel()
	resent := func(w oldWindow) { deliver(w.t, w.two, w.resend(), w.settledAgain()) }
	for _, tt := range []struct {
		reason string
		change func(oldWindow)
		kept   time.Duration // the window is kept when everything before now minus this expires
		there  bool          // whether the delivery is kept, too; it expires by when it settled
		gone   time.Duration // the window is dropped when everything before now minus this expires
	}{
		{"nothing has changed", func(oldWindow) {}, -retention, true, 2*time.Hour - retention},
		{"it was resent by another node, and settled", resent, 2*time.Hour - retention, true, 3 * time.Hour},
		{"its retries went on after it was resent", resent, time.Hour, true, 3 * time.Hour},
		{"it was resent and cancelled", func(w oldWindow) {
			w.resend()
			if _, err := w.two.Cancel(w.t.Context(), w.claimed.ID, w.now); err != nil {
				w.t.Fatal(err)
			}
		}, 2*time.Hour - retention, true, 3 * time.Hour},
		{"an attempt of an older round came late", func(w oldWindow) {
			late := event.Settle(w.claimed, event.Outcome{StartedAt: w.now, StatusCode: 500, Code: event.CodeStatus}, nil, w.now, 0.5)
			if err := w.two.Record(w.t.Context(), []event.Settlement{late}); err != nil {
				w.t.Fatal(err)
			}
		}, 2*time.Hour - retention, false, 3 * time.Hour},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			w := newOldWindow(t)
			tt.change(w)
			if w.expire(w.one, w.now.Add(tt.kept)); !w.kept() {
				t.Fatal("the window was dropped too early")
			}
			if _, err := w.one.Delivery(t.Context(), w.claimed.ID); (err == nil) != tt.there {
				t.Errorf("its delivery: %v", err)
			}
			if w.expire(w.one, w.now.Add(tt.gone)); w.kept() {
				t.Error("the window was not dropped when the retention was over")
			}
			if n := query[int](t, w.url, `SELECT count(*) FROM window_touched`)[0]; n != 0 {
				t.Errorf("%d windows are noted as touched after they were dropped", n)
			}
		})
	}
}

// A node that is about to drop a window waits for a transaction that changes a row of it, and then
// notices the change.
func TestDroppingGivesWayToAResend(t *testing.T) {
	t.Parallel()
	w := newOldWindow(t)
	start := w.claimed.ID.Time().UTC().Truncate(6 * time.Hour)
	before := w.now.Add(2*time.Hour - retention)
	r := newRival(t, w.url)
	r.do(`BEGIN`)
	r.do(`UPDATE deliveries SET status = 0, settled_at = NULL, round = 1 WHERE id = $1::uuid`, w.claimed.ID.String())
	if _, err := w.one.Expire(t.Context(), before, w.now, 10); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("Expire beside a resend: %v", err)
	}
	r.do(`INSERT INTO window_touched (start, at) VALUES ($1, $2)`, start, w.now)
	r.do(`COMMIT`)
	if w.expire(w.one, before); !w.kept() {
		t.Error("the window was dropped, although a delivery in it is pending")
	}
}
