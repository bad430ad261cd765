package postgres_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/postgres"
)

// join creates a subscription of a tenant.
func join(ctx context.Context, s *postgres.Store, tenant string) (event.ID, error) {
	now := time.Now()
	id := event.NewID(now)
	err := s.CreateSubscription(ctx, event.Subscription{ID: id, Tenant: tenant, TargetURL: "http://127.0.0.1:9/", Active: true, CreatedAt: now, UpdatedAt: now})
	return id, err
}

// member is join for the goroutine of the test.
func member(t testing.TB, s *postgres.Store, tenant string) event.ID {
	t.Helper()
	id, err := join(t.Context(), s, tenant)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func tenantOf(t testing.TB, s *postgres.Store, id string) event.Tenant {
	t.Helper()
	tenant, err := s.Tenant(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// Two nodes create the first subscription of a tenant at once: one of them creates the tenant, and
// both succeed.
func TestNodesCreateATenantAtOnce(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	nodes := []*postgres.Store{open(t, postgres.Options{URL: url}), open(t, postgres.Options{URL: url})}
	for i := range 20 {
		id := fmt.Sprintf("tenant-%d", i)
		var wg sync.WaitGroup
		for _, s := range nodes {
			wg.Go(func() {
				if _, err := join(t.Context(), s, id); err != nil {
					t.Errorf("create a subscription of %s: %v", id, err)
				}
			})
		}
		wg.Wait()
		c, err := nodes[0].TenantChanges(t.Context(), tenantOf(t, nodes[0], id).No, 0, 10)
		if err != nil || len(c.Subscriptions) != 2 {
			t.Errorf("%s has %d subscriptions, want 2: %v", id, len(c.Subscriptions), err)
		}
	}
}

// A reader that asks for the changes after its last page misses none, although many are committed
// at the same moment.
func TestChangesAreCommittedInTheirOrder(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s, other := open(t, postgres.Options{URL: url}), open(t, postgres.Options{URL: url})
	member(t, s, "acme")
	no := tenantOf(t, s, "acme").No
	var writers sync.WaitGroup
	for i := range 8 {
		node := []*postgres.Store{s, other}[i%2]
		writers.Go(func() {
			for range 15 {
				sub, err := join(t.Context(), node, "acme")
				if err == nil {
					_, err = node.PauseSubscription(t.Context(), sub, event.Pause{At: time.Now()})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { writers.Wait(); close(ended) }()
	known := map[event.ID]bool{} // whether it is paused
	for after, isLast := int64(0), false; ; {
		select {
		case <-ended:
			isLast = true
		default:
		}
		c, err := other.TenantChanges(t.Context(), no, after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range c.Subscriptions {
			known[sub.ID] = sub.Paused()
		}
		if after = c.To; isLast && c.To == c.Tenant.Version {
			break
		}
	}
	paused := 0
	for _, is := range known {
		if is {
			paused++
		}
	}
	if len(known) != 121 || paused != 120 {
		t.Errorf("the reader knows %d subscriptions, %d of them paused, want 121 and 120", len(known), paused)
	}
}

const lockTenant = `SELECT FROM tenants WHERE no = $1 FOR UPDATE`

// A Record that disables subscriptions of several tenants locks the tenants in the order of their
// numbers, whatever the order of the deliveries.
func TestTenantsAreLockedInOrder(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s := open(t, postgres.Options{URL: url})
	a, b := member(t, s, "a"), member(t, s, "b")
	var list []event.Settlement
	for i, sub := range []event.ID{b, a} { // the delivery of the second tenant comes first
		at := time.Now().Add(time.Duration(i) * 10 * time.Millisecond)
		d := accept(t, s, offer(sub, at))
		list = append(list, event.Settle(d, event.Outcome{StartedAt: at, StatusCode: 410, Code: event.CodeGone}, nil, at, 0.5))
	}
	r := newRival(t, url)
	r.do(`BEGIN`)
	r.do(lockTenant, tenantOf(t, s, "a").No)
	recorded := make(chan error, 1)
	go func() { recorded <- s.Record(context.Background(), list) }()
	r.awaitBlocked()
	r.do(lockTenant+` NOWAIT`, tenantOf(t, s, "b").No)
	r.do(`COMMIT`)
	if err := <-recorded; err != nil {
		t.Fatal(err)
	}
	for _, sub := range []event.ID{a, b} {
		if got, err := s.Subscription(t.Context(), sub); err != nil || got.Active {
			t.Errorf("subscription of %s is active: %v, %v", got.Tenant, got.Active, err)
		}
	}
}

// A key that is created while its tenant is deleted is revoked, or not created.
func TestBoundKeyOfATenantThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s := open(t, postgres.Options{URL: url})
	member(t, s, "acme")
	key := func(name string) event.APIKey {
		return event.APIKey{ID: event.NewID(time.Now()), Tenant: "acme", Scope: event.ScopeRead, Hash: sha256.Sum256([]byte(name)), CreatedAt: time.Now()}
	}

	r := newRival(t, url)
	r.do(`BEGIN`)
	r.do(`UPDATE tenants SET deleted_at = now() WHERE id = 'acme'`)
	created := make(chan error, 1)
	go func() { created <- s.CreateKey(context.Background(), key("late")) }()
	r.awaitBlocked()
	r.do(`COMMIT`)
	if err := <-created; !errors.Is(err, event.ErrNotFound) {
		t.Errorf("a key of a tenant that was deleted meanwhile: %v", err)
	}

	member(t, s, "acme") // another tenant with this id
	r.do(`BEGIN`)
	r.do(`INSERT INTO api_keys (id, name, prefix, hash, scope, created_at, tenant_no)
		SELECT $1::uuid, '', '', sha256('early'), 'bound:read', now(), t.no FROM (SELECT no FROM tenants WHERE id = 'acme' AND deleted_at IS NULL FOR SHARE) AS t`,
		event.NewID(time.Now()).String())
	deleted := make(chan error, 1)
	go func() { deleted <- s.DeleteTenant(context.Background(), "acme", time.Now()) }()
	r.awaitBlocked()
	r.do(`COMMIT`)
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	if k, err := s.KeyByHash(t.Context(), sha256.Sum256([]byte("early"))); err != nil || k.RevokedAt.IsZero() {
		t.Errorf("a key that was created just before: %+v, %v; want it revoked", k, err)
	}
}

// Release 0.1.0 refuses the scope of a bound key, because it does not know it.
func TestScopeOfABoundKey(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s := open(t, postgres.Options{URL: url})
	for i, scope := range []event.Scope{event.ScopeAdmin, event.ScopePublish, event.ScopeRead} {
		k := event.APIKey{ID: event.NewID(time.Now()), Tenant: event.DefaultTenant, Scope: scope, Hash: [32]byte{byte(i)}, CreatedAt: time.Now()}
		if err := s.CreateKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	got := query[string](t, url, `SELECT scope FROM api_keys ORDER BY 1`)
	if want := []string{"bound:admin", "bound:publish", "bound:read"}; !slices.Equal(got, want) {
		t.Errorf("the scopes are stored as %v, want %v", got, want)
	}
}

// Sealing the same secrets in another way is no change, and neither is a change of health.
func TestWhatIsNoChangeOfATenant(t *testing.T) {
	t.Parallel()
	s := open(t, postgres.Options{})
	sub := member(t, s, "acme")
	kept, err := s.Subscription(t.Context(), sub)
	if err != nil {
		t.Fatal(err)
	}
	before := tenantOf(t, s, "acme").Version
	sealed := kept
	sealed.Secrets = []event.Secret{"sealed"}
	if swapped, err := s.SwapSecrets(t.Context(), kept, sealed); err != nil || !swapped {
		t.Fatal(swapped, err)
	}
	d := accept(t, s, offer(sub, time.Now()))
	failed := event.Settle(d, event.Outcome{StartedAt: time.Now(), StatusCode: 500, Code: event.CodeStatus}, nil, time.Now(), 0.5)
	failed.Health = event.HealthChange{Kind: event.HealthFailing, StartedAt: time.Now(), At: time.Now()}
	if err := s.Record(t.Context(), []event.Settlement{failed}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Subscription(t.Context(), sub); err != nil || !got.Health.Failing || got.Secrets[0] != "sealed" {
		t.Fatalf("%+v, %v", got.Health, err)
	}
	if after := tenantOf(t, s, "acme").Version; after != before {
		t.Errorf("the version changed from %d to %d", before, after)
	}
}

// A tenant gets the service's limit if it has none of its own.
func TestLimitOfTheService(t *testing.T) {
	t.Parallel()
	s := open(t, postgres.Options{MaxSubscriptions: 2})
	if _, _, err := s.PutTenant(t.Context(), event.Tenant{ID: "large", Limits: event.TenantLimits{Subscriptions: 3}}); err != nil {
		t.Fatal(err)
	}
	for tenant, most := range map[string]int{"large": 3, "plain": 2, event.DefaultTenant: 2} {
		for range most {
			member(t, s, tenant)
		}
		if _, err := join(t.Context(), s, tenant); !errors.Is(err, event.ErrTenantLimit) {
			t.Errorf("one more than %d subscriptions of %s: %v", most, tenant, err)
		}
	}
}

// A copy brings the tenants' rows, and new tenants get other numbers.
func TestCopiedTenantsKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	url := server.Database(t, "")
	target, err := postgres.OpenTarget(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	row := func(no int64, id string, version int64) []any {
		return []any{no, id, "", "{}", "{}", now, now, time.Time{}, version}
	}
	tenants := store.CopyStep{Name: "tenants", Table: "tenants", Last: true, Columns: []store.CopyColumn{
		{Name: "no", Kind: store.CopyInt},
		{Name: "id", Kind: store.CopyText},
		{Name: "name", Kind: store.CopyText},
		{Name: "metadata", Kind: store.CopyJSON},
		{Name: "limits", Kind: store.CopyJSON},
		{Name: "created_at", Kind: store.CopyTime},
		{Name: "updated_at", Kind: store.CopyTime},
		{Name: "deleted_at", Kind: store.CopyMaybeTime},
		{Name: "version", Kind: store.CopyInt},
	}}
	err = target.Begin(t.Context(), "a test", "1")
	if err == nil {
		err = target.End(t.Context(), []store.CopyStep{tenants}, map[string][][]any{
			"tenants": {row(0, event.DefaultTenant, 7), row(1, event.ServiceTenant, 1), row(41, "acme", 3)},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, postgres.Options{URL: url})
	if got := tenantOf(t, s, "acme"); got.No != 41 || got.Version != 3 {
		t.Errorf("the copied tenant is %+v", got)
	}
	if got := tenantOf(t, s, event.DefaultTenant); got.No != event.DefaultTenantNo || got.Version != 7 {
		t.Errorf("the default tenant is %+v", got)
	}
	if got, _, err := s.PutTenant(t.Context(), event.Tenant{ID: "new"}); err != nil || got.No != 42 {
		t.Errorf("a new tenant is %+v, %v; want the number 42", got, err)
	}
}
