package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// killed returns a database with the present files of one that is open, as a kill would leave
// them.
func killed(t *testing.T, path string) (copied string) {
	t.Helper()
	copied = filepath.Join(t.TempDir(), "hookferry.db")
	for _, suffix := range []string{"", "-wal"} {
		write(t, copied+suffix, read(t, path+suffix))
	}
	return copied
}

// acceptAllKinds accepts events with 0, 1 and 5 deliveries, leased and due, and returns the
// deliveries.
func acceptAllKinds(t *testing.T, s *sqlite.Store, subs []event.ID, now time.Time) (ids []event.ID) {
	t.Helper()
	for _, n := range []int{0, 1, 5} {
		for _, owner := range []string{"node", ""} {
			e := event.Event{ID: event.NewID(now), Type: "user.created", ContentType: "application/json", Payload: []byte("{}"), CreatedAt: now}
			a := event.Acceptance{Event: e}
			for _, sub := range subs[:n] {
				d := event.Delivery{ID: event.DeliveryID(e.ID, sub), EventID: e.ID, SubscriptionID: sub, DueAt: now, CreatedAt: now, LeaseOwner: owner}
				if owner != "" {
					d.LeasedUntil = now.Add(time.Minute)
				}
				a.Deliveries = append(a.Deliveries, d)
				ids = append(ids, d.ID)
			}
			if _, err := s.Accept(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
	}
	return ids
}

func createSubscriptions(t *testing.T, s *sqlite.Store, n int, now time.Time) []event.ID {
	t.Helper()
	return members(t, s, event.DefaultTenant, n, now)
}

// A killed process leaves each delivery exactly once, whether its event has no, one or several
// deliveries, and whether the table filed was written before the event, after it or in between.
func TestKilledWithEventsOfSeveralDeliveries(t *testing.T) {
	t.Parallel()
	for why, rescues := range map[string][]bool{
		"nothing is noted":            {false, false},
		"noted at the end":            {false, true},
		"noted in between":            {true, false},
		"noted in between and at end": {true, true},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			now := time.Now().UTC().Truncate(time.Microsecond)
			path := filepath.Join(t.TempDir(), "hookferry.db")
			s := reopen(t, path)
			subs := createSubscriptions(t, s, 5, now)
			var ids []event.ID
			for range 2 { // two processes, one after the other
				for _, rescue := range rescues {
					ids = append(ids, acceptAllKinds(t, s, subs, now)...)
					if rescue {
						if _, err := s.Rescue(t.Context(), time.Time{}, now); err != nil {
							t.Fatal(err)
						}
					}
				}
				wantNote(t, path, rescues)
				path = killed(t, path)
				s = reopen(t, path)
				wantDue(t, s, ids, now)
			}
		})
	}
}

// wantNote fails the test unless the value in the table filed is as high as possible: the first
// event with an implicit row, or if there is none, the number after the last event.
func wantNote(t *testing.T, path string, rescues []bool) {
	t.Helper()
	var noted, first int64
	copied := killed(t, path)
	db := openSQL(t, copied)
	if err := db.QueryRowContext(t.Context(), `SELECT (SELECT seq FROM filed), (SELECT min(seq) FROM unfiled)`).Scan(&noted, &first); err != nil {
		t.Fatal(err)
	}
	if rescued := rescues[0] || rescues[1]; noted > first || rescued && noted != first {
		t.Errorf("events before %d are noted as filed; the first that is not is %d", noted, first)
	}
}

// wantDue fails the test unless there are exactly these deliveries, each due and not leased.
func wantDue(t *testing.T, s *sqlite.Store, ids []event.ID, now time.Time) {
	t.Helper()
	counts, err := s.Count(t.Context())
	if diff := cmp.Diff(map[event.Status]int{event.Pending: len(ids)}, counts); diff != "" || err != nil {
		t.Error(diff, err)
	}
	d, err := s.Depth(t.Context(), now)
	if err != nil || d.Due != len(ids) || d.Leased != 0 {
		t.Errorf("%+v, %v; want %d due and no lease", d, err, len(ids))
	}
	for _, id := range ids {
		r, err := s.Delivery(t.Context(), id)
		if err != nil || r.Delivery.Status != event.Pending || r.Delivery.LeaseOwner != "" || !r.Delivery.DueAt.Equal(now) {
			t.Errorf("%+v, %v", r.Delivery, err)
		}
	}
	if findings, err := s.Audit(t.Context(), now, now.Add(-time.Hour)); err != nil || len(findings) > 0 {
		t.Errorf("the audit finds %v, %v", findings, err)
	}
}

// The value in the table filed skips events without implicit rows.
func TestNoteOfWhatIsFiledPassesOverRows(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s := reopen(t, path)
	subs := createSubscriptions(t, s, 5, now)
	ids := acceptAllKinds(t, s, subs, now)
	var leases []event.LeaseKey
	for _, id := range ids {
		leases = append(leases, event.LeaseKey{Delivery: id, Owner: "node"})
	}
	if err := s.Release(t.Context(), leases); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rescue(t.Context(), time.Time{}, now); err != nil {
		t.Fatal(err)
	}
	var noted, last int64
	db := openSQL(t, killed(t, path))
	if err := db.QueryRowContext(t.Context(), `SELECT (SELECT seq FROM filed), (SELECT max(seq) FROM events)`).Scan(&noted, &last); err != nil || noted != last+1 {
		t.Errorf("events before %d are noted as filed, %v; the last is %d", noted, err, last)
	}
}
