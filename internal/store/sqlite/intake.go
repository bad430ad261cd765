package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"hookferry/internal/event"
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
	err := w.stmts.findKey.QueryRow(a.Delivery.SubscriptionID[:], a.IdempotencyKey).Scan(&hash, idScan{&r.EventID}, idScan{&r.DeliveryID})
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
	payload := e.Payload
	if payload == nil {
		payload = []byte{} // a nil slice would be NULL
	}
	var owner any
	if d.LeaseOwner != "" {
		owner = d.LeaseOwner
	}
	n, err := affected(w.stmts.insertDelivery.Exec(d.ID[:], d.EventID[:], d.SubscriptionID[:], int64(d.Status), int64(d.Attempts),
		micros(d.DueAt), owner, micros(d.LeasedUntil), micros(d.CreatedAt), micros(d.SettledAt)))
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%w: subscription %s", event.ErrNotFound, d.SubscriptionID)
	}
	if _, err := w.stmts.insertEvent.Exec(e.ID[:], e.Type, e.ContentType, payload, micros(e.CreatedAt)); err != nil {
		return err
	}
	if a.IdempotencyKey == "" {
		return nil
	}
	_, err = w.stmts.insertKey.Exec(d.SubscriptionID[:], a.IdempotencyKey, a.BodyHash[:], e.ID[:], d.ID[:], micros(d.CreatedAt))
	return err
}
