package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// Accept keeps an event and its delivery in one transaction.
func (s *Store) Accept(ctx context.Context, a event.Acceptance) (event.Receipt, error) {
	var receipt event.Receipt
	err := s.write(ctx, 1, func(w *writer) error {
		receipt = event.Receipt{EventID: a.Event.ID, DeliveryID: a.Delivery.ID}
		if a.IdempotencyKey != "" {
			before, err := w.receiptFor(&a)
			if err != nil || before.Replayed {
				receipt = before
				return err
			}
		}
		return w.insert(&a)
	})
	if err != nil || !receipt.Replayed { // a replay has written nothing
		s.room.Wrote(err)
	}
	if err != nil {
		return event.Receipt{}, err
	}
	return receipt, nil
}

// receiptFor looks for an earlier acceptance under the same key. The writer is
// the only one that makes keys, so none can come in between.
func (w *writer) receiptFor(a *event.Acceptance) (event.Receipt, error) {
	var hash []byte
	r := event.Receipt{Replayed: true}
	err := w.stmts.findKey.Row(rawsqlite.Blob(a.Delivery.SubscriptionID[:]), rawsqlite.Text(a.IdempotencyKey)).Scan(&hash, idScan{&r.EventID}, idScan{&r.DeliveryID})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return event.Receipt{}, nil
	case err != nil:
		return event.Receipt{}, err
	case !bytes.Equal(hash, a.BodyHash[:]):
		return event.Receipt{}, fmt.Errorf("%w: the event %s was taken with it", event.ErrKeyReused, r.EventID)
	}
	return r, nil
}

func (w *writer) insert(a *event.Acceptance) error {
	e, d := &a.Event, &a.Delivery
	if w.nextSeq == 0 {
		return errBeside
	}
	if err := w.mustLive(d.SubscriptionID); err != nil {
		return err
	}
	seq := w.nextSeq
	w.nextSeq++
	if _, err := w.stmts.insertEvent.Exec(rawsqlite.Int(seq), rawsqlite.Blob(e.ID[:]), rawsqlite.Blob(d.ID[:]), rawsqlite.Blob(d.SubscriptionID[:]), rawsqlite.Text(e.Type), rawsqlite.Text(e.ContentType),
		rawsqlite.Blob(e.Payload), rawsqlite.Int(micros(e.CreatedAt)), rawsqlite.TextOrNull(d.LeaseOwner), rawsqlite.Int(micros(d.LeasedUntil))); err != nil {
		return err
	}
	filing := entry{seq: seq, subscription: d.SubscriptionID, createdAt: micros(d.CreatedAt), owner: d.LeaseOwner, until: d.LeasedUntil}
	w.unfiled.add(d.ID, filing)
	if !mayWait(a) {
		if err := w.file(d.ID, filing, standing{
			status: int64(d.Status), attempts: int64(d.Attempts), dueAt: micros(d.DueAt),
			owner: d.LeaseOwner, leasedUntil: micros(d.LeasedUntil), settledAt: micros(d.SettledAt),
		}); err != nil {
			return err
		}
	}
	if a.IdempotencyKey == "" {
		return nil
	}
	_, err := w.stmts.insertKey.Exec(rawsqlite.Blob(d.SubscriptionID[:]), rawsqlite.Text(a.IdempotencyKey), rawsqlite.Blob(a.BodyHash[:]), rawsqlite.Blob(e.ID[:]), rawsqlite.Blob(d.ID[:]), rawsqlite.Int(micros(d.CreatedAt)))
	return err
}

// errBeside is a mistake of this program's: who opens the file beside its holder takes nothing in.
var errBeside = errors.New("the database was opened beside the process that takes events")

// mayWait reports whether the event's row says all about its delivery.
func mayWait(a *event.Acceptance) bool {
	d := &a.Delivery
	return d.LeaseOwner != "" && d.Status == event.Pending && d.Attempts == 0 &&
		d.DueAt.Equal(d.CreatedAt) && d.CreatedAt.Equal(a.Event.CreatedAt)
}

// mostLiving bounds how many subscriptions the writer remembers as not deleted.
const mostLiving = 100_000

// mustLive refuses what is for a subscription that is deleted, or never was: a deletion may
// have come in between. The writer is the only one that deletes.
func (w *writer) mustLive(subscription event.ID) error {
	if w.living[subscription] {
		return nil
	}
	var living bool
	err := w.stmts.isLiving.Row(rawsqlite.Blob(subscription[:])).Scan(&living)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !living {
		return fmt.Errorf("%w: subscription %s", event.ErrNotFound, subscription)
	}
	if err != nil {
		return err
	}
	if len(w.living) >= mostLiving {
		clear(w.living)
	}
	w.living[subscription] = true
	return nil
}
