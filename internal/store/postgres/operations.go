package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	isActiveSQL     = `SELECT is_active AND deleted_at IS NULL FROM subscriptions WHERE id = $1`
	lockDeliverySQL = `SELECT ` + deliveryColumns + ` FROM deliveries d WHERE d.id = $1 FOR NO KEY UPDATE`
	// lockDeliveriesSQL locks rows in the same order as settleSQL.
	lockDeliveriesSQL = `SELECT FROM deliveries WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`
	writeDeliverySQL  = `UPDATE deliveries SET status = $2, attempts = $3, due_at = $4, lease_owner = $5, leased_until = $6,
		settled_at = $7, delivered_at = $8, round = $9, round_from = $10, stray = $11 WHERE id = $1`
	touchWindowSQL = `INSERT INTO window_touched (start, at) VALUES ($1, $2)
		ON CONFLICT (start) DO UPDATE SET at = greatest(window_touched.at + interval '1 microsecond', excluded.at)`
)

// Resend makes a settled delivery due again.
func (s *Store) Resend(ctx context.Context, id event.ID, at time.Time, force bool) (event.Delivery, error) {
	d, err := s.move(ctx, "resend a delivery", id, func(tx pgx.Tx, row event.Delivery) (event.Delivery, error) {
		var active bool
		err := tx.QueryRow(ctx, isActiveSQL, uuid(row.SubscriptionID)).Scan(&active)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && !active {
			return row, fmt.Errorf("%w: subscription %s", event.ErrInactive, row.SubscriptionID)
		}
		if err != nil {
			return row, err
		}
		return event.Resend(row, at.UTC().Truncate(time.Microsecond), force)
	})
	s.hints.hintDue(err == nil)
	return d, err
}

// Cancel settles a pending delivery without an attempt.
func (s *Store) Cancel(ctx context.Context, id event.ID, at time.Time) (event.Delivery, error) {
	return s.move(ctx, "cancel a delivery", id, func(_ pgx.Tx, row event.Delivery) (event.Delivery, error) {
		return event.Cancel(row, at.UTC().Truncate(time.Microsecond)), nil
	})
}

// move applies rule to a delivery's row and writes the result. It holds deletionLock, so that a
// concurrent deletion of the subscription waits for it.
func (s *Store) move(ctx context.Context, what string, id event.ID, rule func(pgx.Tx, event.Delivery) (event.Delivery, error)) (after event.Delivery, err error) {
	err = s.inTx(ctx, quick, what, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, int64(deletionLock)); err != nil {
			return err
		}
		row, err := s.lockDelivery(ctx, tx, id)
		if err != nil {
			return err
		}
		if after, err = rule(tx, row); err != nil || after == row {
			return err
		}
		return s.writeDelivery(ctx, tx, after)
	})
	return after, err
}

const deliveryColumns = `d.event_id, d.subscription_id, d.status, d.attempts, d.due_at, coalesce(d.lease_owner, ''), d.leased_until,
	d.created_at, d.settled_at, coalesce(d.delivered_at, CASE WHEN d.status = 1 THEN d.settled_at END), d.round, d.round_from, d.stray`

// deliveryTo reads deliveryColumns.
func deliveryTo(d *event.Delivery) []any {
	return []any{
		idTo(&d.EventID), idTo(&d.SubscriptionID), &d.Status, &d.Attempts,
		timeTo{&d.DueAt},
		&d.LeaseOwner,
		timeTo{&d.LeasedUntil},
		timeTo{&d.CreatedAt},
		timeTo{&d.SettledAt},
		timeTo{&d.DeliveredAt},
		&d.Round, &d.RoundFrom, &d.Stray,
	}
}

// lockDelivery locks and reads a delivery's row. Its times are converted to this node's time.
func (s *Store) lockDelivery(ctx context.Context, tx pgx.Tx, id event.ID) (event.Delivery, error) {
	d := event.Delivery{ID: id}
	err := tx.QueryRow(ctx, lockDeliverySQL, uuid(id)).Scan(deliveryTo(&d)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, fmt.Errorf("%w: delivery %s", event.ErrNotFound, id)
	}
	d.DueAt, d.LeasedUntil = s.clock.toNode(d.DueAt), s.clock.toNode(d.LeasedUntil)
	return d, err
}

// writeDelivery writes a locked row. If the row's window is over, it records that the window was
// changed, so that no node drops its partitions too early.
func (s *Store) writeDelivery(ctx context.Context, tx pgx.Tx, d event.Delivery) error {
	owner := &d.LeaseOwner
	if d.LeaseOwner == "" {
		owner = nil
	}
	_, err := tx.Exec(ctx, writeDeliverySQL,
		uuid(d.ID), int16(d.Status), d.Attempts, s.clock.toDatabase(d.DueAt), owner, nullTime(s.clock.toDatabase(d.LeasedUntil)),
		nullTime(d.SettledAt), nullTime(d.DeliveredAt), d.Round, d.RoundFrom, d.Stray)
	if err != nil {
		return err
	}
	return touchWindow(ctx, tx, windowOf(d.ID), s.clock.toDatabase(s.clock.localTime()))
}

// touchWindow records that a row of a window has changed after the window's end. From then on the
// window is kept for the retention. Each touch increases the recorded time, so that other nodes
// notice it even if this node's clock is behind.
func touchWindow(ctx context.Context, tx pgx.Tx, start, now time.Time) error {
	if now.Before(start.Add(window)) {
		return nil
	}
	_, err := tx.Exec(ctx, touchWindowSQL, start, now)
	return err
}
