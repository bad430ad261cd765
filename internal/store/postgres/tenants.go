package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

const (
	tenantNames  = `no, id, name, metadata, limits, created_at, updated_at, deleted_at, version`
	tenantByNo   = `SELECT ` + tenantNames + ` FROM tenants WHERE no = $1`
	tenantByID   = `SELECT ` + tenantNames + ` FROM tenants WHERE id = $1 AND deleted_at IS NULL`
	putTenantSQL = `UPDATE tenants SET name = $2, metadata = $3, limits = $4, updated_at = $5
		WHERE id = $1 AND deleted_at IS NULL RETURNING ` + tenantNames
	newTenantSQL = `INSERT INTO tenants (id, name, metadata, limits, updated_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING RETURNING ` + tenantNames
	// Increasing the version locks the tenant's row, so a key or a subscription that is created at
	// the same moment sees the deletion, or is seen by it.
	deleteTenantSQL = `UPDATE tenants SET deleted_at = $2, updated_at = $2, version = version + 1
		WHERE id = $1 AND deleted_at IS NULL RETURNING no`
	revokeKeysOfSQL  = `UPDATE api_keys SET revoked_at = $2 WHERE tenant_no = $1 AND revoked_at IS NULL`
	tenantsAfterSQL  = tenantByIDs + `id > $1 ORDER BY id LIMIT $2`
	tenantsBeforeSQL = tenantByIDs + `id < $1 ORDER BY id DESC LIMIT $2`
	tenantByIDs      = `SELECT ` + tenantNames + ` FROM tenants WHERE deleted_at IS NULL AND `
	lockTenantSQL    = tenantByID + ` FOR NO KEY UPDATE`
	lockTenantsOfSQL = `SELECT FROM tenants WHERE no = ANY(ARRAY(SELECT tenant_no FROM subscriptions WHERE id = ANY($1::uuid[]))) ORDER BY no FOR NO KEY UPDATE`
	// As in lister, only the index on the tenant gives the order.
	orphansSQL = `SELECT s.id FROM tenants t CROSS JOIN LATERAL (
			SELECT id FROM subscriptions WHERE tenant_no BETWEEN t.no AND t.no AND deleted_at IS NULL ORDER BY tenant_no, id LIMIT $1) AS s
		WHERE t.deleted_at IS NOT NULL LIMIT $1`
)

// PutTenant creates or replaces a tenant.
func (s *Store) PutTenant(ctx context.Context, t event.Tenant) (after event.Tenant, created bool, err error) {
	args := []any{clean(t.ID), clean(t.Name), jsonOf(t.Metadata), store.JSON(t.Limits), t.UpdatedAt}
	err = s.inTx(ctx, quick, "put a tenant", func(ctx context.Context, tx pgx.Tx) (err error) {
		for range tries {
			created = false
			if after, err = scanTenant(tx.QueryRow(ctx, putTenantSQL, args...)); !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			created = true
			after, err = scanTenant(tx.QueryRow(ctx, newTenantSQL, append(slices.Clone(args), t.CreatedAt)...))
			if !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			// Another transaction has created it meanwhile.
		}
		return errRestless(t.ID)
	})
	return after, created, err
}

// errRestless is the error for a tenant that others create and delete all the time.
func errRestless(id string) error {
	return fmt.Errorf("%w: others created and deleted the tenant %s again and again; try again", event.ErrUnavailable, id)
}

// jsonOf returns a map as JSON. A nil map is an empty object.
func jsonOf(m map[string]string) string {
	if m == nil {
		return "{}"
	}
	return store.JSON(m)
}

func scanTenant(row pgx.Row) (event.Tenant, error) {
	var t event.Tenant
	var metadata, limits string
	err := row.Scan(&t.No, &t.ID, &t.Name, &metadata, &limits, timeTo{&t.CreatedAt}, timeTo{&t.UpdatedAt}, timeTo{&t.DeletedAt}, &t.Version)
	if err != nil {
		return event.Tenant{}, err
	}
	if err := errors.Join(json.Unmarshal([]byte(metadata), &t.Metadata), json.Unmarshal([]byte(limits), &t.Limits)); err != nil {
		return event.Tenant{}, fmt.Errorf("read the metadata and limits of tenant %s: %w", t.ID, err)
	}
	return t, nil
}

// Tenant reads a tenant from the primary, because publishing relies on it.
func (s *Store) Tenant(ctx context.Context, id string) (event.Tenant, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	t, err := scanTenant(s.pool.QueryRow(ctx, tenantByID, clean(id)))
	if errors.Is(err, pgx.ErrNoRows) {
		return event.Tenant{}, errNoTenant(id)
	}
	return t, fail("read a tenant", err)
}

func errNoTenant(id string) error {
	return fmt.Errorf("%w: tenant %s", event.ErrNotFound, id)
}

// ListTenants reads a page of tenants.
func (s *Store) ListTenants(ctx context.Context, q event.TenantQuery) (list []event.Tenant, err error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	sql, position := tenantsAfterSQL, q.After
	if q.Before != "" {
		sql, position = tenantsBeforeSQL, q.Before
	}
	err = s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, sql, clean(position), q.Limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (event.Tenant, error) { return scanTenant(row) })
		return err
	})
	if err != nil {
		return nil, fail("list tenants", err)
	}
	if q.Before != "" {
		slices.Reverse(list)
	}
	return list, nil
}

// DeleteTenant marks a tenant as deleted and revokes its API keys.
func (s *Store) DeleteTenant(ctx context.Context, id string, at time.Time) error {
	if id == event.DefaultTenant || id == event.ServiceTenant {
		return fmt.Errorf("%w: %s always exists", event.ErrBuiltIn, id)
	}
	return s.inTx(ctx, quick, "delete a tenant", func(ctx context.Context, tx pgx.Tx) error {
		var no int64
		err := tx.QueryRow(ctx, deleteTenantSQL, clean(id), at).Scan(&no)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNoTenant(id)
		}
		if err == nil {
			_, err = tx.Exec(ctx, revokeKeysOfSQL, no, at)
		}
		return err
	})
}

// ClearTenants deletes subscriptions of deleted tenants, each in a transaction of its own, because
// one may have many pending deliveries.
func (s *Store) ClearTenants(ctx context.Context, now time.Time, limit int) (int, error) {
	orphans, err := s.orphans(ctx, limit)
	var deleted []event.ID
	for i := 0; i < len(orphans) && err == nil; i++ {
		switch err = s.deleteSubscription(ctx, orphans[i], now, 0); {
		case err == nil:
			deleted = append(deleted, orphans[i])
		case errors.Is(err, event.ErrNotFound): // another node was faster
			err = nil
		}
	}
	s.cancelLate(ctx, now, deleted...)
	return len(deleted), err
}

// orphans finds subscriptions of deleted tenants.
func (s *Store) orphans(ctx context.Context, limit int) ([]event.ID, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	rows, err := s.pool.Query(ctx, orphansSQL, limit)
	if err != nil {
		return nil, fail("find subscriptions of deleted tenants", err)
	}
	list, err := collectIDs(rows)
	return list, fail("find subscriptions of deleted tenants", err)
}

// lockTenantsOf locks the tenants of several subscriptions, which the caller has locked, in the
// order of their numbers.
//
// Each change of a subscription locks its tenant, see tenantTables. So that no two transactions wait
// for each other, all lock subscriptions before tenants, tenants before the keys of events, and these
// before deliveries. A transaction that changes subscriptions of several tenants calls lockTenantsOf
// first.
func lockTenantsOf(ctx context.Context, tx pgx.Tx, subscriptions []event.ID) error {
	_, err := tx.Exec(ctx, lockTenantsOfSQL, sorted(subscriptions))
	return err
}
