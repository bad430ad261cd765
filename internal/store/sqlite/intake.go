package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// Accept stores an event and its deliveries in one transaction.
func (s *Store) Accept(ctx context.Context, a event.Acceptance) (event.Receipt, error) {
	if err := a.Check(); err != nil {
		return event.Receipt{}, err
	}
	var receipt event.Receipt
	err := s.write(ctx, 1, func(w *writer) error {
		receipt = a.Receipt()
		if a.IdempotencyKey != "" {
			before, err := w.receiptFor(&a)
			if err != nil || before.Replayed {
				receipt = before
				return err
			}
		}
		return w.insert(&a)
	})
	if err != nil || !receipt.Replayed { // a replay writes nothing
		s.diskSpace.Wrote(err)
	}
	if err != nil {
		return event.Receipt{}, err
	}
	return receipt, nil
}

// receiptFor looks for an earlier acceptance with the same key. Only the writer creates
// keys, so no other can be created in between.
func (w *writer) receiptFor(a *event.Acceptance) (event.Receipt, error) {
	var hash []byte
	var delivery event.ID
	r := event.Receipt{Replayed: true}
	err := w.stmts.findKey.Row(rawsqlite.Blob(a.Deliveries[0].SubscriptionID[:]), rawsqlite.Text(a.IdempotencyKey)).
		Scan(&hash, idScan{&r.Event}, idScan{&delivery})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return event.Receipt{}, nil
	case err != nil:
		return event.Receipt{}, err
	case !bytes.Equal(hash, a.BodyHash[:]):
		return event.Receipt{}, fmt.Errorf("%w: the event %s was taken with it", event.ErrKeyReused, r.Event)
	}
	r.Deliveries = []event.ID{delivery}
	return r, nil
}

func (w *writer) insert(a *event.Acceptance) error {
	if w.nextSeq == 0 {
		return errBeside
	}
	for i := range a.Deliveries { // first, because a refusal must leave nothing behind
		if err := w.mustLive(a.Deliveries[i].SubscriptionID); err != nil {
			return err
		}
	}
	seq := w.nextSeq
	w.nextSeq++
	only := event.Delivery{}
	if len(a.Deliveries) == 1 {
		only = a.Deliveries[0]
	}
	if err := w.insertEvent(seq, a, &only); err != nil {
		return err
	}
	if isImplicit(&only, a.Event.CreatedAt) {
		w.implicit.add(only.ID, implicitRow{
			seq: seq, subscription: only.SubscriptionID, createdAt: only.CreatedAt, owner: only.LeaseOwner, until: only.LeasedUntil,
		})
	} else {
		for i := range a.Deliveries {
			if err := w.insertRow(seq, &a.Deliveries[i]); err != nil {
				return err
			}
		}
	}
	if a.IdempotencyKey == "" {
		return nil
	}
	_, err := w.stmts.insertKey.Exec(rawsqlite.Blob(only.SubscriptionID[:]), rawsqlite.Text(a.IdempotencyKey), rawsqlite.Blob(a.BodyHash[:]),
		rawsqlite.Blob(a.Event.ID[:]), rawsqlite.Blob(only.ID[:]), rawsqlite.Int(micros(only.CreatedAt)))
	return err
}

// insertEvent writes an event, and the data of its only delivery. only is zero if the event has
// several deliveries or none.
func (w *writer) insertEvent(seq int64, a *event.Acceptance, only *event.Delivery) error {
	e := &a.Event
	var sum int64
	sum, w.head = checksum(e, w.head)
	return w.stmts.insertEvent.Add(rawsqlite.Int(seq), rawsqlite.Blob(e.ID[:]), rawsqlite.Blob(only.ID[:]), rawsqlite.Blob(only.SubscriptionID[:]),
		rawsqlite.Text(e.Type), rawsqlite.Text(e.ContentType), rawsqlite.Blob(e.Payload), rawsqlite.Int(micros(e.CreatedAt)),
		rawsqlite.TextOrNull(only.LeaseOwner), rawsqlite.Int(micros(only.LeasedUntil)), rawsqlite.Int(int64(len(a.Deliveries))),
		rawsqlite.Int(int64(e.DataAt)), rawsqlite.Int(int64(e.DataLen)), rawsqlite.Int(sum))
}

// errBeside is a bug in this program: a process that opens the file with Shared must not accept
// events.
var errBeside = errors.New("the database was opened beside the process that takes events")

// isImplicit reports whether the event's row contains all data of its only delivery.
func isImplicit(only *event.Delivery, eventAt time.Time) bool {
	return only.LeaseOwner != "" && only.Status == event.Pending && only.Attempts == 0 &&
		only.DueAt.Equal(only.CreatedAt) && only.CreatedAt.Equal(eventAt)
}

// mostLiving is how many subscriptions the writer remembers as not deleted.
const mostLiving = 100_000

// mustLive returns an error if a subscription does not exist or is deleted, which may have happened
// since ingest has read it. Only the writer deletes subscriptions.
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
