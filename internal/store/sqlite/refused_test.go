package sqlite_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

// A refused resend has read the delivery, and therefore written its row. The state and the lease of
// the delivery must not change, and its attempt must be recorded like any other.
func TestRefusedResendChangesNothing(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	s := reopen(t, filepath.Join(t.TempDir(), "hookferry.db"))
	sub := createSubscriptions(t, s, 1, now)[0]
	e := event.Event{ID: event.NewID(now), Type: "user.created", ContentType: "application/json", Payload: []byte("{}"), CreatedAt: now}
	d := event.Delivery{ID: event.DeliveryID(e.ID, sub), EventID: e.ID, SubscriptionID: sub, DueAt: now, CreatedAt: now, LeaseOwner: "node", LeasedUntil: now.Add(time.Minute)}
	if _, err := s.Accept(t.Context(), event.Acceptance{Event: e, Deliveries: []event.Delivery{d}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resend(t.Context(), d.ID, now, true); !errors.Is(err, event.ErrNotSettled) {
		t.Errorf("it says %v", err)
	}
	r, err := s.Delivery(t.Context(), d.ID)
	if diff := cmp.Diff(d, r.Delivery); diff != "" || err != nil {
		t.Error(diff, err)
	}
	outcome := event.Settle(d, event.Outcome{StartedAt: now, StatusCode: 200}, nil, now, 0)
	if err := s.Record(t.Context(), []event.Settlement{outcome, outcome}); err != nil { // twice, as a worker does that got no result
		t.Fatal(err)
	}
	r, err = s.Delivery(t.Context(), d.ID)
	if err != nil || r.Delivery.Status != event.Delivered || r.Delivery.Attempts != 1 || len(r.Attempts) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// An attempt of a delivery that has expired meanwhile is not recorded, and restores nothing.
func TestRecordOfAnExpiredDelivery(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s := reopen(t, path)
	subs := createSubscriptions(t, s, 5, now)
	ids := acceptAllKinds(t, s, subs, now)
	for _, id := range ids {
		if _, err := s.Cancel(t.Context(), id, now); err != nil {
			t.Fatal(err)
		}
	}
	later := now.Add(time.Hour)
	for n := 1; n > 0; {
		var err error
		if n, err = s.Expire(t.Context(), later, later, 3); err != nil {
			t.Fatal(err)
		}
	}
	var settled []event.Settlement
	for _, id := range ids {
		d := event.Delivery{ID: id, SubscriptionID: subs[0], DueAt: now, CreatedAt: now, LeaseOwner: "node", LeasedUntil: later}
		settled = append(settled, event.Settle(d, event.Outcome{StartedAt: now, StatusCode: 200}, nil, now, 0))
	}
	if err := s.Record(t.Context(), settled); err != nil {
		t.Fatal(err)
	}
	db := openSQL(t, path)
	for _, table := range []string{"events", "deliveries", "delivery_attempts"} {
		var n int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil || n > 0 {
			t.Errorf("%d rows of %s are left, %v", n, table, err)
		}
	}
}
