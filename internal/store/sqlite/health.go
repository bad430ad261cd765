package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// healthColumns returns the columns of an endpoint's health, to read into h or to write h.
func healthColumns(h *event.Health) store.Columns {
	return store.Columns{
		{Name: "failing", Value: h.Failing, Into: &h.Failing},
		{Name: "failing_since", Value: micros(h.FailingSince), Into: timeScan{&h.FailingSince}},
		{Name: "not_before", Value: micros(h.NotBefore), Into: timeScan{&h.NotBefore}},
		{Name: "refused_since", Value: micros(h.RefusedSince), Into: timeScan{&h.RefusedSince}},
		{Name: "refused_at", Value: micros(h.RefusedAt), Into: timeScan{&h.RefusedAt}},
		{Name: "refusals", Value: h.Refusals, Into: &h.Refusals},
		{Name: "changed_at", Value: micros(h.ChangedAt), Into: timeScan{&h.ChangedAt}},
	}
}

// selectedHealth selects healthColumns of a subscription that may have no row of health.
var selectedHealth = `coalesce(` + strings.Join(strings.Split(healthColumns(&event.Health{}).Names(), ", "), ", 0), coalesce(") + `, 0)`

// withHealth joins a subscription with its health.
const withHealth = `subscriptions LEFT JOIN subscription_health ON subscription_id = id`

// gate reads the gate of a subscription in the current transaction. If the subscription does not
// exist, it returns the zero gate, which is closed.
func (w *writer) gate(subscription event.ID) (g event.Gate, err error) {
	row := w.stmts.gate.Row(rawsqlite.Blob(subscription[:]))
	err = row.Scan(append([]any{&g.Active, &g.Paused}, healthColumns(&g.Health).Into()...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return event.Gate{}, nil
	}
	return g, err
}

// changeHealth applies a change of an endpoint's health.
func (w *writer) changeHealth(subscription event.ID, c event.HealthChange) error {
	if err := w.checkNotDeleted(subscription); errors.Is(err, event.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	g, err := w.gate(subscription)
	if err != nil {
		return err
	}
	after := g.Health.After(c)
	if after == g.Health {
		return nil
	}
	columns := append(healthColumns(&after), store.Column{Name: "subscription_id", Value: subscription[:]})
	_, err = w.conn.Exec(`INSERT OR REPLACE INTO subscription_health (`+columns.Names()+`) VALUES (`+columns.Parameters("?")+`)`, columns.Values()...)
	return err
}

// park parks due deliveries without a lease.
func (w *writer) park(ids []event.ID) error {
	for i := range ids {
		if _, err := w.stmts.lease.Exec(rawsqlite.Text(event.ParkedOwner), rawsqlite.Int(micros(event.ParkedUntil)), rawsqlite.Blob(ids[i][:])); err != nil {
			return err
		}
	}
	return nil
}

// unpark makes parked deliveries of one subscription due again that its gate permits.
func (w *writer) unpark(subscription event.ID, now time.Time, limit int) (int64, error) {
	g, err := w.gate(subscription)
	if err != nil {
		return 0, err
	}
	until, n := g.Unparks(now, limit)
	if until.IsZero() {
		return 0, nil
	}
	return w.conn.Exec(`UPDATE deliveries SET lease_owner = NULL, leased_until = 0 WHERE id IN (SELECT id FROM deliveries
		WHERE status = 0 AND lease_owner = 'parked' AND subscription_id = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?)`,
		subscription[:], micros(until), n)
}

// unparkWalk is how many subscriptions one call of Unpark visits. The next call continues where it
// stopped.
const unparkWalk = 1024

// Unpark walks through the subscriptions with parked deliveries.
func (s *Store) Unpark(ctx context.Context, now time.Time, limit int) (int, error) {
	return s.update(ctx, func(w *writer) (sum int64, err error) {
		wrapped := s.unparkCursor.IsZero()
		for range unparkWalk {
			var next event.ID
			err := w.stmts.nextParked.Row(rawsqlite.Blob(s.unparkCursor[:])).Scan(idScan{&next})
			if errors.Is(err, sql.ErrNoRows) {
				s.unparkCursor = event.ID{}
				if wrapped {
					return sum, nil
				}
				wrapped = true
				continue
			}
			if err != nil {
				return sum, err
			}
			n, err := w.unpark(next, now, limit-int(sum))
			s.unparkCursor = next
			if sum += n; err != nil || sum >= int64(limit) {
				return sum, err
			}
		}
		return sum, nil
	})
}
