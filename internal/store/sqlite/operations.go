package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// Resend makes a settled delivery due again.
func (s *Store) Resend(ctx context.Context, id event.ID, at time.Time, force bool) (event.Delivery, error) {
	return s.move(ctx, id, func(w *writer, row event.Delivery) (event.Delivery, error) {
		g, err := w.gate(row.SubscriptionID)
		if err == nil && !g.Active {
			err = fmt.Errorf("%w: subscription %s", event.ErrInactive, row.SubscriptionID)
		}
		if err != nil {
			return row, err
		}
		return event.Resend(row, at.UTC().Truncate(time.Microsecond), force)
	})
}

// Cancel settles a pending delivery without an attempt.
func (s *Store) Cancel(ctx context.Context, id event.ID, at time.Time) (event.Delivery, error) {
	return s.move(ctx, id, func(_ *writer, row event.Delivery) (event.Delivery, error) {
		return event.Cancel(row, at.UTC().Truncate(time.Microsecond)), nil
	})
}

// move applies rule to a delivery's row and writes the result.
func (s *Store) move(ctx context.Context, id event.ID, rule func(*writer, event.Delivery) (event.Delivery, error)) (after event.Delivery, err error) {
	err = s.write(ctx, 1, func(w *writer) error {
		row, err := w.row(id)
		if err != nil {
			return err
		}
		if after, err = rule(w, row); err != nil || after == row {
			return err
		}
		return w.update(&after)
	})
	s.diskSpace.Wrote(err)
	return after, err
}

const deliveryColumns = `d.subscription_id, d.status, d.attempts, d.due_at, coalesce(d.lease_owner, ''), d.leased_until, d.created_at,
	d.settled_at, CASE WHEN d.delivered_at = 0 AND d.status = 1 THEN d.settled_at ELSE d.delivered_at END, d.round, d.round_from, d.stray`

// deliveryInto reads deliveryColumns.
func deliveryInto(d *event.Delivery) []any {
	return []any{
		idScan{&d.SubscriptionID},
		statusScan{&d.Status},
		&d.Attempts,
		timeScan{&d.DueAt},
		&d.LeaseOwner,
		timeScan{&d.LeasedUntil},
		timeScan{&d.CreatedAt},
		timeScan{&d.SettledAt},
		timeScan{&d.DeliveredAt},
		&d.Round, &d.RoundFrom, &d.Stray,
	}
}

// row reads a delivery in the current transaction. If its row is implicit, it writes the row first.
func (w *writer) row(id event.ID) (event.Delivery, error) {
	d := event.Delivery{ID: id}
	if err := w.ensureRow(id); err != nil {
		return d, err
	}
	err := w.conn.Row(`SELECT e.id, `+deliveryColumns+` FROM deliveries d JOIN events e ON e.seq = d.event_seq WHERE d.id = ?`, id[:]).
		Scan(append([]any{idScan{&d.EventID}}, deliveryInto(&d)...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return d, fmt.Errorf("%w: delivery %s", event.ErrNotFound, id)
	}
	return d, err
}

// update writes the columns that may change of a delivery that has its own row.
func (w *writer) update(d *event.Delivery) error {
	_, err := w.conn.Exec(`UPDATE deliveries SET status = ?, attempts = ?, due_at = ?, lease_owner = ?, leased_until = ?,
		settled_at = ?, delivered_at = ?, round = ?, round_from = ?, stray = ? WHERE id = ?`,
		int64(d.Status), d.Attempts, micros(d.DueAt), rawsqlite.TextOrNull(d.LeaseOwner), micros(d.LeasedUntil),
		micros(d.SettledAt), micros(d.DeliveredAt), d.Round, d.RoundFrom, d.Stray, d.ID[:])
	return err
}
