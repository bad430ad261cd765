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
	accept := func(w *writer) (err error) {
		receipt, err = w.accept(&a, "")
		return err
	}
	if a.Event.Attributes != nil { // a function of its own, so that the plain one captures no more than it needs
		attributes, err := attributesText(a.Event.Attributes)
		if err != nil {
			return event.Receipt{}, err
		}
		accept = func(w *writer) (err error) {
			receipt, err = w.accept(&a, attributes)
			return err
		}
	}
	err := s.write(ctx, max(1, len(a.Deliveries)), accept)
	if err != nil || !receipt.Replayed { // a replay writes nothing
		s.diskSpace.Wrote(err)
	}
	if err != nil {
		return event.Receipt{}, err
	}
	return receipt, nil
}

// accept stores an event in the current transaction, unless its key is known. attributes is the text
// of the column metadata.
func (w *writer) accept(a *event.Acceptance, attributes string) (event.Receipt, error) {
	if a.Published {
		return w.publish(a, attributes)
	}
	if a.IdempotencyKey != "" {
		before, err := w.receiptFor(a)
		if err != nil || before.Replayed {
			return before, err
		}
	}
	return a.Receipt(), w.insert(a, attributes)
}

// receiptFor looks for an earlier acceptance with the same key. No other call can create the key
// in between, because only the writer creates keys.
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
		return event.Receipt{}, fmt.Errorf("%w: it belongs to event %s", event.ErrKeyReused, r.Event)
	}
	r.Deliveries = []event.ID{delivery}
	return r, nil
}

// insert stores an event, its deliveries, and the idempotency key of its only delivery unless it was
// published.
func (w *writer) insert(a *event.Acceptance, attributes string) error {
	if w.nextSeq == 0 {
		return errShared
	}
	for i := range a.Deliveries { // first, because a refusal must leave nothing behind
		if err := w.checkNotDeleted(a.Deliveries[i].SubscriptionID); err != nil {
			return err
		}
	}
	seq := w.nextSeq
	w.nextSeq++
	only := event.Delivery{}
	if len(a.Deliveries) == 1 {
		only = a.Deliveries[0]
	}
	if err := w.insertEvent(seq, a, &only, attributes); err != nil {
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
	if a.IdempotencyKey == "" || a.Published {
		return nil
	}
	_, err := w.stmts.insertKey.Exec(rawsqlite.Blob(only.SubscriptionID[:]), rawsqlite.Text(a.IdempotencyKey), rawsqlite.Blob(a.BodyHash[:]),
		rawsqlite.Blob(a.Event.ID[:]), rawsqlite.Blob(only.ID[:]), rawsqlite.Int(micros(only.CreatedAt)))
	return err
}

// insertEvent writes an event, and the data of its only delivery. only is zero if the event has
// several deliveries or none.
func (w *writer) insertEvent(seq int64, a *event.Acceptance, only *event.Delivery, attributes string) error {
	e := &a.Event
	var sum int64
	sum, w.head = checksum(e, w.head)
	values := []rawsqlite.Value{
		rawsqlite.Int(seq), rawsqlite.Blob(e.ID[:]), rawsqlite.Blob(only.ID[:]), rawsqlite.Blob(only.SubscriptionID[:]),
		rawsqlite.Text(e.Type), rawsqlite.Text(e.ContentType), rawsqlite.Blob(e.Payload), rawsqlite.Int(micros(e.CreatedAt)),
		rawsqlite.TextOrNull(only.LeaseOwner), rawsqlite.Int(micros(only.LeasedUntil)), rawsqlite.Int(int64(len(a.Deliveries))),
		rawsqlite.Int(int64(e.DataAt)), rawsqlite.Int(int64(e.DataLen)), rawsqlite.Int(sum),
	}
	if isPlain(a) {
		return w.stmts.insertEvent.Add(values...)
	}
	retry := int64(1)
	if e.SingleAttempt {
		retry = 0
	}
	return w.stmts.insertPublished.Add(append(values, rawsqlite.Int(e.TenantNo), rawsqlite.Text(attributes), rawsqlite.Text(a.IdempotencyKey), rawsqlite.Int(retry))...)
}

// errShared means a bug in this program: a process that opens the file with Shared must not accept
// events.
var errShared = errors.New("the database was opened with Shared, so this process must not accept events")

// isImplicit reports whether the event's row contains all data of its only delivery.
func isImplicit(only *event.Delivery, eventAt time.Time) bool {
	return only.LeaseOwner != "" && only.Status == event.Pending && only.Attempts == 0 &&
		only.DueAt.Equal(only.CreatedAt) && only.CreatedAt.Equal(eventAt)
}

// maxLiving is how many subscriptions the writer remembers as not deleted.
const maxLiving = 100_000

// checkNotDeleted returns an error if a subscription does not exist or is deleted, which may have
// happened since ingest read it. The result can be remembered, because only the writer deletes
// subscriptions.
func (w *writer) checkNotDeleted(subscription event.ID) error {
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
	if len(w.living) >= maxLiving {
		clear(w.living)
	}
	w.living[subscription] = true
	return nil
}
