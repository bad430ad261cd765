package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// publication returns an event that is published to a tenant with these subscriptions. Its
// deliveries are due now.
func publication(t *testing.T, s *sqlite.Store, tenant string, subs []event.ID, now time.Time) event.Acceptance {
	t.Helper()
	at, err := s.Tenant(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	e := event.Event{
		ID: event.NewID(now), Type: "user.created", ContentType: "application/json", Payload: []byte(`{"event":"user.created","data":1}`),
		CreatedAt: now, TenantNo: at.No, DataAt: 31, DataLen: 1,
	}
	a := event.Acceptance{Event: e, Published: true, TenantVersion: at.Version, TypesVersion: 1}
	for _, sub := range subs {
		a.Deliveries = append(a.Deliveries, event.Delivery{ID: event.DeliveryID(e.ID, sub), EventID: e.ID, SubscriptionID: sub, DueAt: now, CreatedAt: now})
	}
	return a
}

// members creates subscriptions of a tenant.
func members(t *testing.T, s *sqlite.Store, tenant string, n int, now time.Time) (ids []event.ID) {
	t.Helper()
	for range n {
		sub := event.Subscription{ID: event.NewID(now), Tenant: tenant, TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now}
		if err := s.CreateSubscription(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, sub.ID)
	}
	return ids
}

func mustAccept(t *testing.T, s *sqlite.Store, a event.Acceptance) event.Receipt {
	t.Helper()
	r, err := s.Accept(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The columns that only some events need have their values, whichever statement writes the event.
func TestColumnsOfPublishedEvents(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s := reopen(t, path)
	sub := members(t, s, "acme", 1, now)
	plain := createSubscriptions(t, s, 1, now)
	db := openSQL(t, path)
	ingested := func(sub event.ID, edit func(*event.Event)) event.Acceptance {
		a := publication(t, s, event.DefaultTenant, []event.ID{sub}, now)
		a.Published, a.TenantVersion, a.TypesVersion = false, 0, 0
		edit(&a.Event)
		return a
	}
	for why, c := range map[string]struct {
		a    event.Acceptance
		want string
	}{
		"published with everything": {func() event.Acceptance {
			a := publication(t, s, "acme", sub, now)
			a.IdempotencyKey, a.Event.SingleAttempt = "key-1", true
			a.Event.Attributes = &event.Attributes{Channels: []string{"eu"}, Metadata: map[string]string{"a": "b"}, DeliverAt: time.UnixMicro(0).UTC(), Only: sub[0]}
			return a
		}(), `2|{"channels":["eu"],"metadata":{"a":"b"},"deliver_at":"1970-01-01T00:00:00Z","only":"` + sub[0].String() + `"}|key-1|0|1`},
		"published with nothing":             {publication(t, s, "acme", sub, now), `2|||1|1`},
		"published to no subscription":       {publication(t, s, "acme", nil, now), `2|||1|0`},
		"published to the default tenant":    {publication(t, s, event.DefaultTenant, plain, now), `0|||1|1`},
		"ingested for the default tenant":    {ingested(plain[0], func(*event.Event) {}), `0|||1|1`},
		"ingested for another tenant":        {ingested(sub[0], func(e *event.Event) { e.TenantNo = 2 }), `2|||1|1`},
		"ingested for one attempt":           {ingested(plain[0], func(e *event.Event) { e.SingleAttempt = true }), `0|||0|1`},
		"ingested with attributes, but none": {ingested(plain[0], func(e *event.Event) { e.Attributes = &event.Attributes{} }), `0|{}||1|1`},
	} {
		mustAccept(t, s, c.a)
		var got string
		err := db.QueryRowContext(t.Context(), `SELECT tenant_no || '|' || metadata || '|' || idempotency_key || '|' || retry || '|' || delivery_count
			FROM events WHERE id = ?`, c.a.Event.ID[:]).Scan(&got)
		if err != nil || got != c.want {
			t.Errorf("%s: got %s, %v; want %s", why, got, err, c.want)
		}
	}
}

// A published event with one leased delivery is written once, as an ingested one. A process that is
// killed leaves the delivery due, the key in use, and the versions as they were.
func TestKilledWithPublishedEvents(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s := reopen(t, path)
	subs := members(t, s, "acme", 5, now)
	if _, _, err := s.PutEventType(t.Context(), event.EventType{Name: "user.created", CreatedAt: now, UpdatedAt: now}); err != nil {
		t.Fatal(err)
	}
	offers := map[int]event.Acceptance{}
	for _, n := range []int{0, 1, 5} {
		a := publication(t, s, "acme", subs[:n], now)
		a.TypesVersion, a.IdempotencyKey, a.BodyHash, a.Event.SingleAttempt = 2, fmt.Sprint("key-", n), [32]byte{1}, true
		for i := range a.Deliveries {
			a.Deliveries[i].LeaseOwner, a.Deliveries[i].LeasedUntil = "node", now.Add(time.Minute)
		}
		if n == 5 {
			a.Deliveries[4].LeaseOwner, a.Deliveries[4].LeasedUntil = "", time.Time{}
			a.Deliveries[4].Status, a.Deliveries[4].SettledAt = event.Failed, now
		}
		mustAccept(t, s, a)
		offers[n] = a
	}
	var rows int
	if err := openSQL(t, path).QueryRowContext(t.Context(), `SELECT count(*) FROM deliveries`).Scan(&rows); err != nil || rows != 5 {
		t.Errorf("%d deliveries have rows, %v; want those of the event with several", rows, err)
	}
	before, err := s.Tenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}

	s = reopen(t, killed(t, path))
	after, err := s.Tenant(t.Context(), "acme")
	if err != nil || after.Version != before.Version {
		t.Errorf("the tenant has version %d, %v; want %d", after.Version, err, before.Version)
	}
	for n, a := range offers {
		a.Event.ID, a.Deliveries = event.NewID(now), nil
		got := mustAccept(t, s, a)
		want := event.Receipt{Event: offers[n].Event.ID, Replayed: true, Made: n, Refused: n / 5}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("repeated with %d deliveries: %s", n, diff)
		}
	}
	c, err := s.Claim(t.Context(), event.ClaimRequest{Owner: "other", Now: now, Until: now.Add(time.Minute), Limit: 10, Capacity: 10})
	if err != nil || len(c.Deliveries) != 5 {
		t.Fatalf("%d deliveries are due, %v; want the 5 that are pending", len(c.Deliveries), err)
	}
	for _, one := range c.Deliveries {
		if one.Event.TenantNo != after.No || !one.Event.SingleAttempt {
			t.Errorf("claimed %+v", one.Event)
		}
	}
	if findings, err := s.Audit(t.Context(), now, now.Add(-time.Hour)); err != nil || len(findings) > 0 {
		t.Errorf("the audit finds %v, %v", findings, err)
	}
	next := publication(t, s, "acme", subs, now)
	next.TypesVersion = 2
	mustAccept(t, s, next)
}

// An error of Rematch is the caller's. The database is available, and the transaction continues.
func TestFailedRematchIsNoFaultOfTheDatabase(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	commits := 0
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hookferry.db"), sqlite.Options{OnCommit: func(int, time.Duration) { commits++ }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	a := publication(t, s, "acme", members(t, s, "acme", 1, now), now)
	members(t, s, "acme", 1, now)
	broken, before := errors.New("broken"), commits
	a.Rematch = func(event.TenantChanges) ([]event.Delivery, error) { return nil, broken }
	if _, err := s.Accept(t.Context(), a); !errors.Is(err, broken) || errors.Is(err, event.ErrUnavailable) {
		t.Errorf("the error is %v", err)
	}
	if commits != before+1 {
		t.Error("the transaction was rolled back, with what else was in it")
	}
}

// An event that was matched at a version that the tenant does not have yet can't be matched again,
// because the changes since then are not known.
func TestNoRematchFromALaterVersion(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	s := reopen(t, filepath.Join(t.TempDir(), "hookferry.db"))
	a := publication(t, s, "acme", members(t, s, "acme", 1, now), now)
	a.TenantVersion++
	a.Rematch = func(event.TenantChanges) ([]event.Delivery, error) {
		t.Error("it was matched again")
		return nil, nil
	}
	if _, err := s.Accept(t.Context(), a); !errors.Is(err, event.ErrStale) {
		t.Errorf("got %v, want %v", err, event.ErrStale)
	}
}

// The key of a delayed event lives until its deliveries have expired.
func TestKeyOfADelayedEventExpiresByItsDueTime(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	s := reopen(t, filepath.Join(t.TempDir(), "hookferry.db"))
	members(t, s, "acme", 1, now)
	publish := func(key string, hash byte, at time.Time) error {
		a := publication(t, s, "acme", nil, now)
		a.IdempotencyKey, a.BodyHash, a.Event.Attributes = key, [32]byte{hash}, &event.Attributes{DeliverAt: at}
		_, err := s.Accept(t.Context(), a)
		return err
	}
	for key, at := range map[string]time.Time{"delayed": now.Add(48 * time.Hour), "due": now, "at once": {}} {
		if err := publish(key, 1, at); err != nil {
			t.Fatal(err)
		}
	}
	expire := func(before time.Time) {
		t.Helper()
		for n := 1; n > 0; {
			var err error
			if n, err = s.Expire(t.Context(), before, before, 100); err != nil {
				t.Fatal(err)
			}
		}
	}
	expire(now.Add(24 * time.Hour))
	for key, want := range map[string]error{"delayed": event.ErrKeyReused, "due": nil, "at once": nil} {
		if err := publish(key, 2, now); !errors.Is(err, want) {
			t.Errorf("the key %q with another body, after a day: %v, want %v", key, err, want)
		}
	}
	expire(now.Add(49 * time.Hour))
	if err := publish("delayed", 2, now); err != nil {
		t.Errorf("after two days: %v", err)
	}
}

func TestLimitOfSubscriptionsSaysWhatItFound(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hookferry.db"), sqlite.Options{MaxSubscriptions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, _, err := s.PutTenant(t.Context(), event.Tenant{ID: "large", Limits: event.TenantLimits{Subscriptions: 3}, CreatedAt: now, UpdatedAt: now}); err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[string]string{
		"acme":              "tenant acme has 2 subscriptions, and its limit is 2",
		event.DefaultTenant: "tenant default has 2 subscriptions, and its limit is 2",
		"large":             "tenant large has 3 subscriptions, and its limit is 3",
	} {
		members(t, s, tenant, 2, now)
		if tenant == "large" {
			members(t, s, tenant, 1, now)
		}
		err := s.CreateSubscription(t.Context(), event.Subscription{ID: event.NewID(now), Tenant: tenant, CreatedAt: now, UpdatedAt: now})
		if !errors.Is(err, event.ErrTenantLimit) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
