package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/test/release010"
)

// TestDatabaseOfRelease010 opens what release 0.1.0 left when it was killed under load. Nothing
// that it acknowledged may be missing.
func TestDatabaseOfRelease010(t *testing.T) {
	url, content := release010.PostgreSQL(t, server)
	content.Check(t, open(t, postgres.Options{URL: url}))
	content.CheckPayloads(t, payloads(t, url))
}

// TestWorkOfRelease010Continues continues where release 0.1.0 was killed: leases of the dead process
// end, due deliveries are delivered, failed ones are resent, and settled ones expire with their
// events.
func TestWorkOfRelease010Continues(t *testing.T) {
	t.Parallel()
	url, content := release010.PostgreSQL(t, server)
	s := open(t, postgres.Options{URL: url})
	now := content.KilledAt.Add(24 * time.Hour).Truncate(time.Microsecond) // as a row keeps it
	pending, failed := map[string]int{}, map[string]int{}                  // by the state of their subscriptions
	for _, sub := range content.Subscriptions {
		pending[sub.State] += sub.Counts["pending"]
		failed[sub.State] += sub.Counts["failed"]
	}
	if n := query[int](t, url, `SELECT count(*) FROM events WHERE delivery_count = -1`)[0]; n != content.Rows["events"] {
		t.Errorf("%d events are marked as stored by 0.1.0, want all %d", n, content.Rows["events"])
	}
	if n, err := s.Rescue(t.Context(), time.Time{}, now); err != nil || n != content.Leased {
		t.Errorf("%d leases of the process that died were ended, %v; want %d", n, err, content.Leased)
	}
	deliverAll(t, s, now, pending["active"])

	resent, refused := 0, 0
	for _, text := range query[string](t, url, `SELECT id::text FROM deliveries WHERE status = 2`) {
		switch _, err := s.Resend(t.Context(), parseID(t, text), now, false); {
		case err == nil:
			resent++
		case errors.Is(err, event.ErrInactive):
			refused++
		default:
			t.Error(err)
		}
	}
	if resent != failed["active"] || refused != failed["disabled"] {
		t.Errorf("%d were resent and %d refused, want %d and, of a disabled subscription, %d", resent, refused, failed["active"], failed["disabled"])
	}
	deliverAll(t, s, now, resent)

	later := now.Add(100 * time.Hour)
	for n := 1; n > 0; {
		var err error
		if n, err = s.Expire(t.Context(), later, later, 100); err != nil {
			t.Fatal(err)
		}
	}
	// Deliveries of an inactive subscription were cancelled just now.
	for _, table := range []string{"deliveries", "events"} {
		if n := query[int](t, url, `SELECT count(*) FROM `+table)[0]; n != pending["inactive"] {
			t.Errorf("%d rows of %s are left, want %d", n, table, pending["inactive"])
		}
	}
}

// deliverAll delivers everything that is due.
func deliverAll(t *testing.T, s *postgres.Store, now time.Time, want int) {
	t.Helper()
	due := claimAll(t, s, now)
	if len(due) != want {
		t.Errorf("claimed %d, want %d", len(due), want)
	}
	for _, d := range due {
		deliver(t, s, d, now)
		got, err := s.Delivery(t.Context(), d.ID)
		if err != nil || got.Delivery.Status != event.Delivered || !got.Delivery.DeliveredAt.Equal(now) || len(got.Attempts) != d.Attempts+1 {
			t.Errorf("%+v with %d attempts, %v; want it delivered by one more than %d", got.Delivery, len(got.Attempts), err, d.Attempts)
		}
	}
}

func parseID(t *testing.T, text string) event.ID {
	t.Helper()
	id, err := event.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func payloads(t *testing.T, url string) map[event.ID][]byte {
	t.Helper()
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	rows, err := db.Query(t.Context(), `SELECT id, payload FROM events`)
	if err != nil {
		t.Fatal(err)
	}
	all := map[event.ID][]byte{}
	var id [16]byte
	var payload []byte
	if _, err := pgx.ForEachRow(rows, []any{&id, &payload}, func() error {
		all[id] = payload
		payload = nil
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}
