package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
)

// changesSQL reads one subscription more than a page has, to see whether there are more.
var changesSQL = `SELECT ` + subscriptionNames + `, s.tenant_version FROM ` + withHealth + `
	WHERE s.tenant_no = $1 AND s.tenant_version > $2 AND ($2 > 0 OR s.deleted_at IS NULL) ORDER BY s.tenant_version LIMIT $3`

const (
	// beginSnapshot begins a transaction whose statements read the same moment.
	beginSnapshot = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	// mostChanges is more than a tenant can have.
	mostChanges = math.MaxInt32 - 1
)

// TenantChanges reads the changes of a tenant's subscriptions, from the primary.
func (s *Store) TenantChanges(ctx context.Context, no, after int64, limit int) (event.TenantChanges, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	var c event.TenantChanges
	b := &pgx.Batch{}
	b.Queue(beginSnapshot)
	b.Queue(tenantByNo, no).QueryRow(func(row pgx.Row) (err error) {
		c.Tenant, err = scanTenant(row)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("%w: tenant number %d", event.ErrNotFound, no)
		}
		return err
	})
	b.Queue(changesSQL, no, after, limit+1).Query(func(rows pgx.Rows) error {
		return s.collectChanges(rows, &c, limit)
	})
	b.Queue(`COMMIT`)
	if err := s.pool.SendBatch(ctx, b).Close(); err != nil {
		return event.TenantChanges{}, fail("read the changes of a tenant", err)
	}
	return c, nil
}

// collectChanges reads the rows of changesSQL into c, which has its tenant already.
func (s *Store) collectChanges(rows pgx.Rows, c *event.TenantChanges, limit int) error {
	defer rows.Close()
	c.Subscriptions, c.To = nil, c.Tenant.Version
	last := int64(0)
	for rows.Next() {
		if len(c.Subscriptions) == limit {
			c.To = last
			break
		}
		sub, err := s.scanSubscription(rows, &last)
		if err != nil {
			return err
		}
		c.Subscriptions = append(c.Subscriptions, sub)
	}
	return rows.Err()
}
