package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
)

// lockForMatchSQL locks a tenant in shared mode: changes of its subscriptions wait, and other events
// do not. Many events can't hold up a change for long, because an event needs this lock only if there
// were changes.
const lockForMatchSQL = tenantByNo + ` FOR SHARE`

// acceptRematched stores a published event in a transaction of its own, in which the event is
// matched again if its tenant has changed. The writers' transactions have other events in them,
// which would wait for the tenant.
func (s *Store) acceptRematched(ctx context.Context, a event.Acceptance) (event.Receipt, error) {
	if err := s.ensureWindows(ctx, windowsOf([]*op{{acceptance: a}})); err != nil {
		return event.Receipt{}, fail("create partitions", err)
	}
	var o *op
	var due bool
	err := s.inTx(ctx, quick, "store an event", func(ctx context.Context, tx pgx.Tx) error {
		o = &op{acceptance: a}
		matched, err := s.matchLocked(ctx, tx, o)
		if err != nil || !matched {
			return err
		}
		o.receipt = o.acceptance.Receipt()
		t := &transaction{conn: tx.Conn(), clock: s.clock, next: &pgx.Batch{}, in: s.writer.writesFor([]*op{o})}
		t.publish([]*op{o})
		if err := t.flush(ctx); err != nil {
			return err
		}
		due = t.stored > 0
		return t.explainRefused(ctx)
	})
	if err != nil {
		return event.Receipt{}, err
	}
	s.hints.hintDue(due)
	if o.err != nil {
		return event.Receipt{}, o.err
	}
	return o.receipt, nil
}

// matchLocked locks the tenant of an event, and matches the event again if the tenant has changed.
// It returns false if the event is not to be stored; then o has the result.
func (s *Store) matchLocked(ctx context.Context, tx pgx.Tx, o *op) (matched bool, err error) {
	a := &o.acceptance
	if _, err := tx.Exec(ctx, lockForMatchSQL, a.Event.TenantNo); err != nil {
		return false, err
	}
	var w whyRefused
	if err := tx.QueryRow(ctx, whyRefusedSQL, a.Event.TenantNo, []byte(a.IdempotencyKey)).Scan(w.into()...); err != nil {
		return false, err
	}
	if o.refuseAnyVersion(&w) {
		return false, nil
	}
	if w.tenantVersion == a.TenantVersion {
		return true, nil
	}
	changes, err := s.readChanges(ctx, tx, a.Event.TenantNo, a.TenantVersion)
	if err != nil {
		return false, err
	}
	a.Deliveries, o.err = a.Rematch(changes)
	a.TenantVersion = changes.To
	return o.err == nil, nil
}

// readChanges reads all changes of a tenant that the caller has locked.
func (s *Store) readChanges(ctx context.Context, tx pgx.Tx, no, after int64) (c event.TenantChanges, err error) {
	if c.Tenant, err = scanTenant(tx.QueryRow(ctx, tenantByNo, no)); err != nil {
		return c, err
	}
	rows, err := tx.Query(ctx, changesSQL, no, after, mostChanges+1)
	if err != nil {
		return c, err
	}
	err = s.collectChanges(rows, &c, mostChanges)
	return c, err
}
