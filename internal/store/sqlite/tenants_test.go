package sqlite_test

import (
	"crypto/sha256"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// What was there before there were tenants belongs to the default one. Its changes can be read in
// pages, a publication sees all of its subscriptions, and its keys are of all tenants.
func TestDataFromBeforeTenantsBelongsToTheDefaultOne(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	us := now.UnixMicro()
	hash := sha256.Sum256([]byte("old"))
	statements := []statement{{`INSERT INTO api_keys (id, name, prefix, hash, created_at, revoked_at) VALUES (zeroblob(16), 'old', 'hf_', ?, 1, 0)`, []any{hash[:]}}}
	var living []event.ID
	for i, deleted := range []int64{0, 0, us, 0} {
		id := event.NewID(now.Add(time.Duration(i) * time.Millisecond))
		statements = append(statements, statement{`INSERT INTO subscriptions (id, target_url, description, event_types, secrets, require_signature, headers,
			is_active, inactive_since, disabled_reason, timeout_us, max_in_flight, rate_per_second, created_at, updated_at, deleted_at, checksum)
			VALUES (?1, 'https://example.com/', '', '[]', '[]', 0, 'null', 1, 0, '', 0, 0, 0, ?2, ?2, ?3, 4711)`, []any{id[:], us, deleted}})
		if deleted == 0 {
			living = append(living, id)
		}
	}
	s := reopen(t, old(t, 5, statements...))

	tenant, err := s.Tenant(t.Context(), event.DefaultTenant)
	if err != nil || tenant.No != event.DefaultTenantNo || tenant.Version != 4 || tenant.CreatedAt.IsZero() {
		t.Errorf("%+v, %v; want the version 4 after 4 subscriptions", tenant, err)
	}
	var found []event.ID
	for after, pages := int64(0), 0; after < tenant.Version; pages++ {
		c, err := s.TenantChanges(t.Context(), tenant.No, after, 1)
		if err != nil || c.To <= after {
			t.Fatalf("from %d to %d, %v", after, c.To, err)
		}
		for _, sub := range c.Subscriptions {
			if sub.Tenant != event.DefaultTenant || sub.Sealed != "" {
				t.Errorf("%+v", sub)
			}
			if !sub.Deleted() {
				found = append(found, sub.ID)
			}
		}
		after = c.To
	}
	if diff := cmp.Diff(living, found); diff != "" {
		t.Errorf("the subscriptions of all pages: %s", diff)
	}
	mustAccept(t, s, publication(t, s, event.DefaultTenant, living, now))
	if k, err := s.KeyByHash(t.Context(), hash); err != nil || k.IsBound() || k.Scope != event.ScopeAdmin {
		t.Errorf("%+v, %v; want a key of all tenants", k, err)
	}
	if other, err := s.Tenant(t.Context(), event.ServiceTenant); err != nil || other.No != event.ServiceTenantNo {
		t.Errorf("%+v, %v", other, err)
	}
	if findings, err := s.Audit(t.Context(), now, now.Add(-time.Hour)); err != nil || len(findings) > 0 {
		t.Errorf("the audit finds %v, %v", findings, err)
	}
}

// A deleted tenant's row is deleted once nothing of the tenant is left, and not before. Its number is
// not used again.
func TestDeletedTenantsExpire(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	s := reopen(t, filepath.Join(t.TempDir(), "hookferry.db"))
	later := now.Add(24 * time.Hour)
	put := func(id string) event.Tenant {
		t.Helper()
		got, _, err := s.PutTenant(t.Context(), event.Tenant{ID: id, CreatedAt: now, UpdatedAt: now})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	leave := map[string]struct {
		what  func()
		stays bool
	}{
		"with nothing":              {func() {}, false},
		"with-a-subscription":       {func() { members(t, s, "with-a-subscription", 1, now) }, true},
		"with-a-key":                {func() { createKey(t, s, "with-a-key", now) }, true},
		"with-an-event":             {func() { mustAccept(t, s, publication(t, s, "with-an-event", nil, later)) }, true},
		"with-an-idempotency-key":   {func() { publishDelayed(t, s, "with-an-idempotency-key", now, later) }, true},
		"that is deleted later":     {func() {}, true},
		"with-what-expires-with-it": {func() { mustAccept(t, s, publication(t, s, "with-what-expires-with-it", nil, now)) }, false},
	}
	numbers := map[string]int64{}
	for id, l := range leave {
		numbers[id] = put(id).No
		l.what()
		at := now.Add(-time.Hour)
		if id == "that is deleted later" {
			at = later
		}
		if err := s.DeleteTenant(t.Context(), id, at); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n > 0; {
		var err error
		if n, err = s.Expire(t.Context(), now.Add(time.Minute), now, 100); err != nil {
			t.Fatal(err)
		}
	}
	highest := int64(0)
	for id, l := range leave {
		_, err := s.TenantChanges(t.Context(), numbers[id], 0, 10)
		if errors.Is(err, event.ErrNotFound) == l.stays {
			t.Errorf("the tenant %s: %v; want its row to stay: %v", id, err, l.stays)
		}
		highest = max(highest, numbers[id])
	}
	if next := put("next"); next.No <= highest {
		t.Errorf("the next tenant has the number %d, after %d", next.No, highest)
	}
}

func createKey(t *testing.T, s *sqlite.Store, tenant string, now time.Time) event.APIKey {
	t.Helper()
	k := event.APIKey{ID: event.NewID(now), Tenant: tenant, Scope: event.ScopeAdmin, Hash: sha256.Sum256([]byte(tenant)), CreatedAt: now}
	if err := s.CreateKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	return k
}

func publishDelayed(t *testing.T, s *sqlite.Store, tenant string, now, at time.Time) {
	t.Helper()
	a := publication(t, s, tenant, nil, now)
	a.IdempotencyKey, a.Event.Attributes = "key", &event.Attributes{DeliverAt: at}
	mustAccept(t, s, a)
}

// A bound key permits nothing if a release does not know that it is bound, or if its tenant is
// missing.
func TestBoundKeyWithoutItsTenantPermitsNothing(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s := reopen(t, path)
	members(t, s, "acme", 1, now)
	k := createKey(t, s, "acme", now)
	db := openSQL(t, path)
	var scope string
	if err := db.QueryRowContext(t.Context(), `SELECT scope FROM api_keys`).Scan(&scope); err != nil || scope != "bound:admin" {
		t.Errorf("the scope is kept as %q, %v", scope, err)
	}
	for why, change := range map[string]string{
		"the tenant is gone":          `UPDATE api_keys SET tenant_no = 4711`,
		"the number is not looked at": `UPDATE api_keys SET tenant_no = -1`,
	} {
		if _, err := db.ExecContext(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		got, err := s.KeyByHash(t.Context(), k.Hash)
		if err != nil || got.Scope.Covers(event.ScopePublish) || got.Scope.Covers(event.ScopeRead) || got.Scope.Covers(event.ScopeAdmin) {
			t.Errorf("%s: %+v, %v", why, got, err)
		}
	}
}

// A copy that was interrupted continues after the last row that was written.
func TestCopyContinuesAfterEachRow(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s := reopen(t, path)
	for _, tenant := range []string{"acme", "other"} {
		members(t, s, tenant, 2, now)
		createKey(t, s, tenant, now)
		for _, key := range []string{"a", "a b", " ", "ä\x01"} {
			a := publication(t, s, tenant, nil, now)
			a.IdempotencyKey = key
			mustAccept(t, s, a)
		}
	}
	for _, name := range []string{"a", "b.c", "b"} {
		if _, _, err := s.PutEventType(t.Context(), event.EventType{Name: name, CreatedAt: now, UpdatedAt: now}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	source, err := sqlite.OpenSource(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	counts, err := source.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"tenants": 4, "subscriptions": 4, "API keys": 2, "event types": 3, "version of the event types": 1,
		"idempotency keys of tenants": 8, "events": 8,
	}
	for _, step := range store.CopySteps() {
		var all [][]any
		if err := source.Read(t.Context(), step, nil, 1, func(b store.Batch) error {
			all = append(all, b.Rows...)
			if rest := restOf(t, source, step, b.Cursor); len(all)+len(rest) != want[step.Name] {
				t.Errorf("%s: %d rows come after row %d, want %d in all", step.Name, len(rest), len(all), want[step.Name])
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(all) != want[step.Name] {
			t.Errorf("%d rows of %s, want %d", len(all), step.Name, want[step.Name])
		}
		if n, counted := counts[step.Name]; counted && int(n) != len(all) {
			t.Errorf("%d rows of %s are counted, and %d were read", n, step.Name, len(all))
		}
	}
}

// restOf returns the rows of a step after a cursor.
func restOf(t *testing.T, source *sqlite.Source, step store.CopyStep, after []byte) (rows [][]any) {
	t.Helper()
	if err := source.Read(t.Context(), step, after, 100, func(b store.Batch) error {
		rows = append(rows, b.Rows...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return rows
}
