package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// Record writes settlements.
func (s *Store) Record(ctx context.Context, settlements []event.Settlement) error {
	err := s.write(ctx, len(settlements), func(w *writer) error {
		for i := range settlements {
			if err := w.record(&settlements[i]); err != nil {
				return err
			}
		}
		return nil
	})
	s.diskSpace.Wrote(err)
	return err
}

func (w *writer) record(s *event.Settlement) error {
	number, err := w.settle(s)
	if err != nil || number == 0 {
		return err
	}
	a, o := &s.Attempt, &s.Attempt.Outcome
	response := rawsqlite.Value{}
	if o.Response != nil {
		response = rawsqlite.Blob(o.Response)
	}
	err = w.stmts.insertAttempt.Add(rawsqlite.Blob(a.DeliveryID[:]), rawsqlite.Blob(a.ID[:]), rawsqlite.Blob(a.SubscriptionID[:]), rawsqlite.Int(int64(number)),
		rawsqlite.Int(micros(o.StartedAt)), rawsqlite.Int(o.Duration.Microseconds()), rawsqlite.Int(o.Phases.DNS.Microseconds()), rawsqlite.Int(o.Phases.Connect.Microseconds()),
		rawsqlite.Int(o.Phases.TLS.Microseconds()), rawsqlite.Int(o.Phases.FirstByte.Microseconds()), rawsqlite.Text(o.Peer), rawsqlite.Int(int64(o.StatusCode)), rawsqlite.Text(string(o.Code)),
		rawsqlite.Text(o.Error), response)
	if err != nil {
		return err
	}
	if s.Health.Kind != event.HealthUnchanged {
		if err := w.changeHealth(a.SubscriptionID, s.Health); err != nil {
			return err
		}
	}
	if s.DisableReason == "" {
		return nil
	}
	return w.disableSubscription(a.SubscriptionID, s.DisableReason, o.StartedAt)
}

// settle writes the state of a delivery after an attempt. It returns the attempt's number, or 0 if
// the attempt is already on record or its delivery no longer exists.
func (w *writer) settle(s *event.Settlement) (number int, err error) {
	d := &s.Delivery
	if d.RoundFrom > 0 { // it is 0 in an implicit row
		if err := w.ensureRow(d.ID); err != nil {
			return 0, err
		}
	}
	if r, implicit := w.implicit.get(d.ID); implicit && d.Attempts == 1 {
		return 1, w.writeImplicit(r, &event.Delivery{
			ID: d.ID, SubscriptionID: r.subscription, Status: d.Status, Attempts: 1, DueAt: d.DueAt, CreatedAt: r.createdAt, SettledAt: d.SettledAt,
		})
	}
	passed, err := w.stmts.settle.Exec(rawsqlite.Int(int64(d.Status)), rawsqlite.Int(int64(d.Attempts)), rawsqlite.Int(micros(d.DueAt)), rawsqlite.Int(micros(d.SettledAt)), rawsqlite.Int(int64(d.RoundFrom)),
		rawsqlite.Blob(d.ID[:]), rawsqlite.Int(int64(d.Attempts-1)), rawsqlite.Int(int64(d.Round)), rawsqlite.Int(int64(d.Stray)))
	if err != nil || passed > 0 {
		return d.Attempts, err
	}
	return w.settleSlowly(s)
}

// settleSlowly writes a settlement that did not pass the fence of the statement in settle.
func (w *writer) settleSlowly(s *event.Settlement) (number int, err error) {
	row, err := w.row(s.Delivery.ID)
	if errors.Is(err, event.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var known bool
	err = w.conn.Row(`SELECT EXISTS (SELECT 1 FROM delivery_attempts WHERE delivery_id = ? AND id = ?)`, s.Attempt.DeliveryID[:], s.Attempt.ID[:]).Scan(&known)
	if err != nil || known {
		return 0, err
	}
	after := event.Apply(row, *s)
	return after.Attempts, w.update(&after)
}

// Renew extends leases.
func (s *Store) Renew(ctx context.Context, leases []event.LeaseKey, until time.Time) (lost []event.LeaseKey, err error) {
	err = s.write(ctx, len(leases), func(w *writer) error {
		lost = lost[:0]
		for i := range leases {
			l := &leases[i]
			if err := w.ensureRow(l.Delivery); err != nil {
				return err
			}
			n, err := w.stmts.renew.Exec(rawsqlite.Int(micros(until)), rawsqlite.Blob(l.Delivery[:]), rawsqlite.Text(l.Owner))
			if err != nil {
				return err
			}
			if n == 0 {
				lost = append(lost, *l)
			}
		}
		return nil
	})
	return lost, err
}

// Release ends leases without an attempt.
func (s *Store) Release(ctx context.Context, leases []event.LeaseKey) error {
	return s.write(ctx, len(leases), func(w *writer) error {
		for i := range leases {
			l := &leases[i]
			if err := w.ensureRow(l.Delivery); err != nil {
				return err
			}
			if _, err := w.stmts.release.Exec(rawsqlite.Blob(l.Delivery[:]), rawsqlite.Text(l.Owner)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Rescue ends leases that ran out.
func (s *Store) Rescue(ctx context.Context, from, now time.Time) (int, error) {
	return s.update(ctx, func(w *writer) (int64, error) {
		if err := w.ensureRows(func(r implicitRow) bool { return r.until.Before(now) && !r.until.Before(from) }); err != nil {
			return 0, err
		}
		n, err := w.stmts.rescue.Exec(rawsqlite.Int(micros(from)), rawsqlite.Int(micros(now)))
		if err != nil {
			return 0, err
		}
		return n, w.advanceFiled() // here, because Rescue is called regularly
	})
}

// takeOver ends all leases, because the process that had them has ended, and writes what that
// process left unwritten. Parked deliveries stay parked.
func (s *Store) takeOver(ctx context.Context) error {
	return s.write(ctx, 1, func(w *writer) error {
		if _, err := w.stmts.endAll.Exec(); err != nil {
			return err
		}
		if err := w.writeMissingChecksums(); err != nil {
			return err
		}
		return w.writeOrphans()
	})
}
