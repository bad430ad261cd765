package sqlite

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
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
	a, o := &s.Attempt, &s.Attempt.Outcome
	if err := w.settle(&s.Delivery, a.Number); err != nil {
		return err
	}
	response := rawsqlite.Value{}
	if o.Response != nil {
		response = rawsqlite.Blob(o.Response)
	}
	inserted, err := w.stmts.insertAttempt.Exec(rawsqlite.Blob(a.DeliveryID[:]), rawsqlite.Blob(a.ID[:]), rawsqlite.Blob(a.SubscriptionID[:]), rawsqlite.Int(int64(a.Number)),
		rawsqlite.Int(micros(o.StartedAt)), rawsqlite.Int(o.Duration.Microseconds()), rawsqlite.Int(o.Phases.DNS.Microseconds()), rawsqlite.Int(o.Phases.Connect.Microseconds()),
		rawsqlite.Int(o.Phases.TLS.Microseconds()), rawsqlite.Int(o.Phases.FirstByte.Microseconds()), rawsqlite.Text(o.Peer), rawsqlite.Int(int64(o.StatusCode)), rawsqlite.Text(string(o.Code)),
		rawsqlite.Text(o.Error), response)
	if err != nil {
		return err
	}
	if s.DisableReason == "" || inserted == 0 {
		return nil
	}
	_, err = w.stmts.disable.Exec(rawsqlite.Text(s.DisableReason), rawsqlite.Int(micros(o.StartedAt)), rawsqlite.Blob(a.SubscriptionID[:]))
	return err
}

// settle writes how a delivery stands after an attempt.
func (w *writer) settle(d *event.Delivery, attempt int) error {
	if e, unfiled := w.unfiled.of(d.ID); unfiled && attempt == 1 {
		return w.file(d.ID, e, standing{
			status: int64(d.Status), attempts: int64(d.Attempts), dueAt: micros(d.DueAt), settledAt: micros(d.SettledAt),
		})
	}
	_, err := w.stmts.settle.Exec(rawsqlite.Int(int64(d.Status)), rawsqlite.Int(int64(d.Attempts)), rawsqlite.Int(micros(d.DueAt)), rawsqlite.Int(micros(d.SettledAt)),
		rawsqlite.Blob(d.ID[:]), rawsqlite.Int(int64(attempt-1)))
	return err
}

// Renew moves the end of the owner's leases.
func (s *Store) Renew(ctx context.Context, owner string, ids []event.ID, until time.Time) (lost []event.ID, err error) {
	err = s.write(ctx, len(ids), func(w *writer) error {
		lost = lost[:0]
		for i := range ids {
			if e, unfiled := w.unfiled.of(ids[i]); unfiled && e.owner == owner {
				if err := w.file(ids[i], e, standing{dueAt: e.createdAt, owner: owner, leasedUntil: micros(until)}); err != nil {
					return err
				}
				continue
			}
			n, err := w.stmts.renew.Exec(rawsqlite.Int(micros(until)), rawsqlite.Blob(ids[i][:]), rawsqlite.Text(owner))
			if err != nil {
				return err
			}
			if n == 0 {
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
			if e, unfiled := w.unfiled.of(ids[i]); unfiled && e.owner == owner {
				if err := w.file(ids[i], e, asDue(e)); err != nil {
					return err
				}
				continue
			}
			if _, err := w.stmts.release.Exec(rawsqlite.Blob(ids[i][:]), rawsqlite.Text(owner)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Rescue ends leases that ran out.
func (s *Store) Rescue(ctx context.Context, now time.Time) (int, error) {
	return s.update(ctx, func(w *writer) (int64, error) {
		unfiled, err := w.fileAll(func(e entry) bool { return e.until.Before(now) }, asDue)
		if err != nil {
			return 0, err
		}
		filed, err := w.stmts.rescue.Exec(rawsqlite.Int(micros(now)))
		if err != nil {
			return 0, err
		}
		return unfiled + filed, w.noteFiled() // here, because this is called now and then
	})
}

// takeOver ends all leases: whoever held them held the file, too, and is no more.
func (s *Store) takeOver(ctx context.Context) error {
	return s.write(ctx, 1, func(w *writer) error {
		if _, err := w.stmts.endAll.Exec(); err != nil {
			return err
		}
		return w.fileLeftOver()
	})
}
