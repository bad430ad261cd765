package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

const (
	tenantColumns = `no, id, name, metadata, limits, created_at, updated_at, deleted_at, version`
	selectTenants = `SELECT ` + tenantColumns + ` FROM tenants `
	livingTenant  = selectTenants + `WHERE id = ? AND deleted_at = 0`
)

// PutTenant creates a tenant, or replaces what a caller may set.
func (s *Store) PutTenant(ctx context.Context, t event.Tenant) (after event.Tenant, created bool, err error) {
	err = s.write(ctx, 1, func(w *writer) (err error) {
		after, created, err = w.putTenant(&t)
		return err
	})
	return after, created, err
}

func (w *writer) putTenant(t *event.Tenant) (after event.Tenant, created bool, err error) {
	replaced, err := w.conn.Exec(`UPDATE tenants SET name = ?, metadata = ?, limits = ?, updated_at = ? WHERE id = ? AND deleted_at = 0`,
		t.Name, metadataText(t.Metadata), store.JSON(t.Limits), micros(t.UpdatedAt), t.ID)
	if created = replaced == 0; err == nil && created {
		_, err = w.conn.Exec(`INSERT INTO tenants (id, name, metadata, limits, created_at, updated_at, deleted_at, version) VALUES (?, ?, ?, ?, ?, ?, 0, 1)`,
			t.ID, t.Name, metadataText(t.Metadata), store.JSON(t.Limits), micros(t.CreatedAt), micros(t.UpdatedAt))
	}
	if err != nil {
		return event.Tenant{}, false, err
	}
	after, err = readTenant(w.conn.Row(livingTenant, t.ID), t.ID)
	return after, created, err
}

// Tenant reads a tenant that is not deleted.
func (s *Store) Tenant(ctx context.Context, id string) (event.Tenant, error) {
	return readTenant(s.reads.QueryRowContext(ctx, livingTenant, id), id)
}

// The pages of ListTenants, from their beginning and from their end.
const (
	tenantsAfter  = selectTenants + `WHERE deleted_at = 0 AND id > ? ORDER BY id LIMIT ?`
	tenantsBefore = selectTenants + `WHERE deleted_at = 0 AND id < ? ORDER BY id DESC LIMIT ?`
)

// ListTenants reads a page of tenants.
func (s *Store) ListTenants(ctx context.Context, q event.TenantQuery) ([]event.Tenant, error) {
	query, at := tenantsAfter, q.After
	if q.Before != "" {
		query, at = tenantsBefore, q.Before
	}
	rows, err := s.reads.QueryContext(ctx, query, at, q.Limit)
	if err != nil {
		return nil, unavailable("list tenants", err)
	}
	list, err := collect("list tenants", rows, func() (event.Tenant, error) { return scanTenant(rows) })
	if q.Before != "" {
		slices.Reverse(list)
	}
	return list, err
}

// DeleteTenant marks a tenant as deleted and revokes its keys.
func (s *Store) DeleteTenant(ctx context.Context, id string, at time.Time) error {
	return s.write(ctx, 1, func(w *writer) error {
		t, err := readTenant(w.conn.Row(livingTenant, id), id)
		if err != nil {
			return err
		}
		if t.IsBuiltIn() {
			return fmt.Errorf("%w: tenant %s always exists", event.ErrBuiltIn, id)
		}
		delete(w.tenants, t.No)
		_, err = w.conn.Exec(`UPDATE tenants SET deleted_at = ?1, updated_at = ?1, version = version + 1 WHERE no = ?2`, micros(at), t.No)
		if err != nil {
			return err
		}
		_, err = w.conn.Exec(`UPDATE api_keys SET revoked_at = ? WHERE tenant_no = ? AND revoked_at = 0`, micros(at), t.No)
		return err
	})
}

// orphans finds subscriptions of deleted tenants.
const orphans = `SELECT s.id FROM tenants t JOIN subscriptions s ON s.tenant_no = t.no AND s.deleted_at = 0 WHERE t.deleted_at > 0 LIMIT ?`

// ClearTenants deletes subscriptions of deleted tenants. It finds them without the writer, because
// usually there are none.
func (s *Store) ClearTenants(ctx context.Context, now time.Time, limit int) (int, error) {
	const what = "find subscriptions of deleted tenants"
	rows, err := s.reads.QueryContext(ctx, orphans, limit)
	if err != nil {
		return 0, unavailable(what, err)
	}
	ids, err := collect(what, rows, func() (id event.ID, err error) {
		err = rows.Scan(idScan{&id})
		return id, err
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	n := 0
	err = s.write(ctx, len(ids), func(w *writer) (err error) {
		n, err = w.deleteSubscriptions(ids, now)
		return err
	})
	return n, err
}

// deleteSubscriptions deletes those of the subscriptions that are not deleted yet, and returns their
// number.
func (w *writer) deleteSubscriptions(ids []event.ID, at time.Time) (n int, err error) {
	for _, id := range ids {
		err := w.deleteSubscription(id, at, 0)
		if errors.Is(err, event.ErrNotFound) {
			continue
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func readTenant(row scanner, id string) (event.Tenant, error) {
	t, err := scanTenant(row)
	if errors.Is(err, sql.ErrNoRows) {
		return event.Tenant{}, fmt.Errorf("%w: tenant %s", event.ErrNotFound, id)
	}
	if err != nil {
		return event.Tenant{}, unavailable("read a tenant", err)
	}
	return t, nil
}

// scanTenant reads tenantColumns.
func scanTenant(row scanner) (t event.Tenant, err error) {
	err = row.Scan(&t.No, &t.ID, &t.Name, jsonScan{&t.Metadata}, jsonScan{&t.Limits},
		timeScan{&t.CreatedAt}, timeScan{&t.UpdatedAt}, timeScan{&t.DeletedAt}, &t.Version)
	return t, err
}

func metadataText(m map[string]string) string {
	if len(m) == 0 {
		return "{}"
	}
	return store.JSON(m)
}
