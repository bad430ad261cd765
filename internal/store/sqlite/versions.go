package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// Each change to a subscription increases the version of its tenant, and the subscription's row
// keeps the version at its last change. So an event that was matched at the present version was
// matched against all subscriptions. Only the writer changes versions, so it remembers them, and
// the comparison needs no statement.

// tenantNow is what the writer remembers of a tenant.
type tenantNow struct {
	version int64
	deleted bool
}

// mostTenants is how many tenants the writer remembers.
const mostTenants = 100_000

// tenantNow returns a tenant's version in the current transaction.
func (w *writer) tenantNow(no int64) (tenantNow, error) {
	if t, known := w.tenants[no]; known {
		return t, nil
	}
	var t tenantNow
	err := w.stmts.tenantNow.Row(rawsqlite.Int(no)).Scan(&t.version, &t.deleted)
	if errors.Is(err, sql.ErrNoRows) {
		return t, fmt.Errorf("%w: tenant number %d", event.ErrNotFound, no)
	}
	if err != nil {
		return t, err
	}
	if len(w.tenants) >= mostTenants {
		clear(w.tenants)
	}
	w.tenants[no] = t
	return t, nil
}

// noteChange completes a change to the row of a subscription: it increases the version of the
// tenant, and writes the checksum. If the disk has changed the number of the tenant to one that does
// not exist, no version increases.
func (w *writer) noteChange(id event.ID, tenantNo int64) error {
	if err := w.raiseVersion(id, tenantNo); err != nil {
		return err
	}
	return w.writeChecksum(id)
}

func (w *writer) raiseVersion(id event.ID, tenantNo int64) error {
	delete(w.tenants, tenantNo)
	if _, err := w.conn.Exec(`UPDATE tenants SET version = version + 1 WHERE no = ?`, tenantNo); err != nil {
		return err
	}
	_, err := w.conn.Exec(`UPDATE subscriptions SET tenant_version = coalesce((SELECT version FROM tenants WHERE no = tenant_no), tenant_version)
		WHERE id = ?`, id[:])
	return err
}

// changesSQL selects the changes of a tenant's subscriptions after a version.
func changesSQL(after int64) string {
	living := ""
	if after == 0 {
		living = ` AND deleted_at = 0`
	}
	return `SELECT tenant_version, ` + selectedSubscription + ` FROM ` + withHealth +
		` WHERE tenant_no = ? AND tenant_version > ?` + living + ` ORDER BY tenant_version LIMIT ?`
}

// tenantChange is a subscription and the version of its last change.
type tenantChange struct {
	version int64
	sub     event.Subscription
}

func scanChange(row scanner) (c tenantChange, err error) {
	c.sub, err = scanSubscription(row, &c.version)
	return c, err
}

// TenantChanges reads a page of the changes of a tenant, in one snapshot.
func (s *Store) TenantChanges(ctx context.Context, no, after int64, limit int) (c event.TenantChanges, err error) {
	const what = "read the changes of a tenant"
	tx, err := s.reads.BeginTx(ctx, nil)
	if err != nil {
		return c, unavailable(what, err)
	}
	defer tx.Rollback() // the transaction only reads
	if c.Tenant, err = readTenant(tx.QueryRowContext(ctx, selectTenants+`WHERE no = ?`, no), "number "+strconv.FormatInt(no, 10)); err != nil {
		return c, err
	}
	rows, err := tx.QueryContext(ctx, changesSQL(after), no, after, limit+1)
	if err != nil {
		return c, unavailable(what, err)
	}
	list, err := collect(what, rows, func() (tenantChange, error) { return scanChange(rows) })
	if err != nil {
		return c, err
	}
	c.To = c.Tenant.Version
	if len(list) > limit { // there are more
		list = list[:limit]
		c.To = list[limit-1].version
	}
	for i := range list {
		c.Subscriptions = append(c.Subscriptions, list[i].sub)
	}
	return c, nil
}

// changes reads all changes of a tenant in the current transaction.
func (w *writer) changes(no, after int64) (c event.TenantChanges, err error) {
	if c.Tenant, err = scanTenant(w.conn.Row(selectTenants+`WHERE no = ?`, no)); err != nil {
		return c, err
	}
	c.To = c.Tenant.Version
	stmt, err := w.conn.Prepare(changesSQL(after))
	if err != nil {
		return c, err
	}
	rows := stmt.Query(rawsqlite.Int(no), rawsqlite.Int(after), rawsqlite.Int(-1))
	defer rows.Close()
	for rows.Next() {
		change, err := scanChange(&rows)
		if err != nil {
			return c, err
		}
		c.Subscriptions = append(c.Subscriptions, change.sub)
	}
	return c, rows.Err()
}
