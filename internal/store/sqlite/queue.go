package sqlite

import (
	"context"
	"time"

	"hookferry/internal/event"
)

// Record writes settlements. The fence is in the statement: a row that has moved
// on is left alone, and the attempt is kept all the same.
func (s *Store) Record(ctx context.Context, settlements []event.Settlement) error {
	err := s.write(ctx, len(settlements), func(w *writer) error {
		for i := range settlements {
			if err := w.record(&settlements[i]); err != nil {
				return err
			}
		}
		return nil
	})
	s.room.Wrote(err)
	return err
}

func (w *writer) record(s *event.Settlement) error {
	d, a, o := &s.Delivery, &s.Attempt, &s.Attempt.Outcome
	if _, err := w.stmts.settle.Exec(int64(d.Status), int64(d.Attempts), micros(d.DueAt), micros(d.SettledAt),
		d.ID[:], int64(a.Number-1)); err != nil {
		return err
	}
	inserted, err := affected(w.stmts.insertAttempt.Exec(a.DeliveryID[:], a.ID[:], a.SubscriptionID[:], int64(a.Number), micros(o.StartedAt),
		o.Duration.Microseconds(), o.Phases.DNS.Microseconds(), o.Phases.Connect.Microseconds(), o.Phases.TLS.Microseconds(),
		o.Phases.FirstByte.Microseconds(), o.Peer, int64(o.StatusCode), string(o.Code), o.Error, o.Response))
	if err != nil {
		return err
	}
	if s.DisableReason == "" || inserted == 0 {
		return nil
	}
	_, err = w.stmts.disable.Exec(s.DisableReason, micros(o.StartedAt), a.SubscriptionID[:])
	return err
}

// Renew moves the end of the owner's leases.
func (s *Store) Renew(ctx context.Context, owner string, ids []event.ID, until time.Time) (lost []event.ID, err error) {
	err = s.write(ctx, len(ids), func(w *writer) error {
		lost = lost[:0]
		for i := range ids {
			r, err := w.stmts.renew.Exec(micros(until), ids[i][:], owner)
			if err != nil {
				return err
			}
			if n, err := r.RowsAffected(); err != nil || n == 0 {
				lost = append(lost, ids[i])
			}
		}
		return nil
	})
	return lost, err
}

// Release ends the owner's leases without an attempt.
func (s *Store) Release(ctx context.Context, owner string, ids []event.ID) error {
	return s.write(ctx, len(ids), func(w *writer) error {
		for i := range ids {
			if _, err := w.stmts.release.Exec(ids[i][:], owner); err != nil {
				return err
			}
		}
		return nil
	})
}

// Rescue ends leases that ran out.
func (s *Store) Rescue(ctx context.Context, now time.Time) (int, error) {
	return s.update(ctx, func(w *writer) (int64, error) { return affected(w.stmts.rescue.Exec(micros(now))) })
}

// endLeases ends all leases: whoever held them held the file, too, and is no more.
func (s *Store) endLeases(ctx context.Context) (int, error) {
	return s.update(ctx, func(w *writer) (int64, error) { return affected(w.stmts.endAll.Exec()) })
}
