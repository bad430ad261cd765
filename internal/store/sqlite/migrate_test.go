package sqlite_test

import (
	"crypto/sha256"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// old creates a file like one that a release with this version of the tables has left.
func old(t *testing.T, version int64, statements ...statement) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hookferry.db")
	migrateTo(t, path, version)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s.sql, s.args...); err != nil {
			t.Fatalf("%s: %v", s.sql, err)
		}
	}
	return path
}

type statement struct {
	sql  string
	args []any
}

func reopen(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A key from a release without scopes keeps all permissions and does not expire.
func TestKeysFromBeforeScopesAreForAdmins(t *testing.T) {
	hash := sha256.Sum256([]byte("old"))
	s := reopen(t, old(t, 1, statement{"INSERT INTO api_keys VALUES (zeroblob(16), 'old', 'hf_', ?, 1, 0)", []any{hash[:]}}))
	k, err := s.KeyByHash(t.Context(), hash)
	if err != nil || k.Scope != event.ScopeAdmin || !k.ExpiresAt.IsZero() || !k.RevokedAt.IsZero() || !k.UsedAt.IsZero() {
		t.Errorf("%+v, %v", k, err)
	}
}

// Data from the time when each delivery had its own row from the start stays as it was, except for
// the leases, whose process has ended.
func TestDeliveriesOfOldTablesAreKept(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	us := now.UnixMicro()
	sub := event.NewID(now)
	statements := []statement{{`INSERT INTO subscriptions VALUES (?, 'https://example.com/', '', '[]', '[]', 0, 'null', 1, 0, '', 0, NULL, 0, 0, ?, ?, 0)`, []any{sub[:], us, us}}}
	want := map[event.ID]event.Delivery{}
	events := map[event.ID]event.Event{}
	for i, d := range []event.Delivery{
		{Status: event.Delivered, Attempts: 1, SettledAt: now, DeliveredAt: now},
		{Status: event.Pending, Attempts: 2},
		{Status: event.Pending, LeaseOwner: "dead", LeasedUntil: now.Add(time.Minute)},
		{Status: event.Cancelled, SettledAt: now},
	} {
		e := event.Event{ID: event.NewID(now), Type: "user.created", ContentType: "application/json", Payload: []byte{'{', byte('0' + i), '}'}, CreatedAt: now}
		d.ID, d.EventID, d.SubscriptionID, d.DueAt, d.CreatedAt = event.NewID(now), e.ID, sub, now, now
		var owner any
		if d.LeaseOwner != "" {
			owner = d.LeaseOwner
		}
		settled := int64(0)
		if !d.SettledAt.IsZero() {
			settled = us
		}
		statements = append(statements,
			statement{`INSERT INTO events VALUES (?, ?, ?, ?, ?)`, []any{e.ID[:], e.Type, e.ContentType, e.Payload, us}},
			statement{`INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, []any{
				d.ID[:], e.ID[:], sub[:], int64(d.Status), d.Attempts, us, owner, us, us, settled,
			}})
		d.LeaseOwner, d.LeasedUntil = "", time.Time{}
		want[d.ID], events[d.ID] = d, e
	}
	s := reopen(t, old(t, 2, statements...))
	for id, d := range want {
		r, err := s.Delivery(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		r.Delivery.LeasedUntil = time.Time{} // it means nothing without an owner
		if diff := cmp.Diff(d, r.Delivery); diff != "" {
			t.Error(diff)
		}
	}
	c, err := s.Claim(t.Context(), event.ClaimRequest{Owner: "node", Now: now, Until: now.Add(time.Minute), Limit: 10, Capacity: 10})
	if err != nil || len(c.Deliveries) != 2 {
		t.Fatalf("%d deliveries are due, %v; want those two that were pending", len(c.Deliveries), err)
	}
	for _, c := range c.Deliveries {
		if diff := cmp.Diff(events[c.Delivery.ID], c.Event); diff != "" {
			t.Error(diff)
		}
	}
}

// A process that opens the file with Shared accepts no events, because only the other process
// knows their next number.
func TestNoEventIsTakenBesideTheHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hookferry.db")
	reopen(t, path)
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Accept(t.Context(), event.Acceptance{}); err == nil || !strings.Contains(err.Error(), "this process must not accept events") {
		t.Errorf("it says %v", err)
	}
}

// A process that dies leaves deliveries without their own rows. The next process finds them due,
// and what is written afterwards does not conflict with them.
func TestUnfiledDeliveriesAreFiledByTheNextProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s := reopen(t, path)
	now := time.Now().UTC().Truncate(time.Microsecond)
	sub := event.Subscription{ID: event.NewID(now), TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now}
	if err := s.CreateSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	accept := func() event.Delivery {
		t.Helper()
		e := event.Event{ID: event.NewID(now), Type: "user.created", ContentType: "application/json", Payload: []byte("{}"), CreatedAt: now}
		d := event.Delivery{ID: event.DeliveryID(e.ID, sub.ID), EventID: e.ID, SubscriptionID: sub.ID, DueAt: now, CreatedAt: now, LeaseOwner: "node", LeasedUntil: now.Add(time.Minute)}
		if _, err := s.Accept(t.Context(), event.Acceptance{Event: e, Deliveries: []event.Delivery{d}}); err != nil {
			t.Fatal(err)
		}
		return d
	}
	rescue := func() { // which writes the table filed
		t.Helper()
		if _, err := s.Rescue(t.Context(), time.Time{}, now); err != nil {
			t.Fatal(err)
		}
	}
	done := accept()
	if err := s.Record(t.Context(), []event.Settlement{event.Settle(done, event.Outcome{StartedAt: now, StatusCode: 200}, nil, now, 0)}); err != nil {
		t.Fatal(err)
	}
	rescue()
	left := []event.Delivery{accept(), accept()}
	rescue()
	left = append(left, accept())
	later := accept()
	if err := s.Record(t.Context(), []event.Settlement{event.Settle(later, event.Outcome{StartedAt: now, StatusCode: 200}, nil, now, 0)}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one finds nothing left over
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, path)
		for _, d := range left {
			r, err := s.Delivery(t.Context(), d.ID)
			if err != nil || r.Delivery.Status != event.Pending || r.Delivery.LeaseOwner != "" || !r.Delivery.DueAt.Equal(now) {
				t.Errorf("%+v, %v", r.Delivery, err)
			}
		}
		counts, err := s.Count(t.Context())
		if diff := cmp.Diff(map[event.Status]int{event.Pending: 3, event.Delivered: 2}, counts); diff != "" || err != nil {
			t.Error(diff, err)
		}
	}
	accept()
	c, err := s.Claim(t.Context(), event.ClaimRequest{Owner: "node", Now: now, Until: now.Add(time.Minute), Limit: 10, Capacity: 10})
	if err != nil || len(c.Deliveries) != len(left) {
		t.Errorf("%d deliveries are due, %v; want %d", len(c.Deliveries), err, len(left))
	}
	if findings, err := s.Audit(t.Context(), now, now.Add(-time.Hour)); err != nil || len(findings) > 0 {
		t.Errorf("%v, %v", findings, err)
	}
}
