package sqlite

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// publish stores an event that was published to a tenant, with its deliveries and its key. A known
// key comes first: the receipt of a repetition does not depend on what matches now.
func (w *writer) publish(a *event.Acceptance, attributes string) (event.Receipt, error) {
	if a.IdempotencyKey != "" {
		before, err := w.publishedBefore(a)
		if err != nil || before.Replayed {
			return before, err
		}
	}
	current, err := w.matched(a)
	if err != nil {
		return event.Receipt{}, err
	}
	if err := w.insert(current, attributes); err != nil {
		return event.Receipt{}, err
	}
	r := current.Receipt()
	return r, w.insertEventKey(current, r)
}

// publishedBefore looks for an earlier event of the tenant with the same key.
func (w *writer) publishedBefore(a *event.Acceptance) (event.Receipt, error) {
	var hash []byte
	r := event.Receipt{Replayed: true}
	err := w.stmts.findEventKey.Row(rawsqlite.Int(a.Event.TenantNo), rawsqlite.Text(a.IdempotencyKey)).
		Scan(&hash, idScan{&r.Event}, &r.Made, &r.Refused)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return event.Receipt{}, nil
	case err != nil:
		return event.Receipt{}, err
	case !bytes.Equal(hash, a.BodyHash[:]):
		return event.Receipt{}, fmt.Errorf("%w: the event %s was published with it", event.ErrKeyReused, r.Event)
	}
	return r, nil
}

// matched returns the acceptance with the deliveries that match in the current transaction.
func (w *writer) matched(a *event.Acceptance) (*event.Acceptance, error) {
	t, err := w.tenantNow(a.Event.TenantNo)
	if err != nil {
		return nil, err
	}
	if t.deleted {
		return nil, fmt.Errorf("%w: the tenant with number %d was deleted", event.ErrNotFound, a.Event.TenantNo)
	}
	types, err := w.typesNow()
	if err != nil {
		return nil, err
	}
	switch {
	case types != a.TypesVersion:
		return nil, fmt.Errorf("%w: the event types have version %d, and the event was checked at %d", event.ErrStale, types, a.TypesVersion)
	case t.version == a.TenantVersion:
		return a, nil
	case a.Rematch == nil || t.version < a.TenantVersion:
		return nil, fmt.Errorf("%w: the tenant has version %d, and the event was matched at %d", event.ErrStale, t.version, a.TenantVersion)
	}
	changes, err := w.changes(a.Event.TenantNo, a.TenantVersion)
	if err != nil {
		return nil, err
	}
	again := *a // a stays as it is, because the transaction may be repeated
	if again.Deliveries, err = a.Rematch(changes); err != nil {
		return nil, refusedError{err}
	}
	return &again, nil
}

// insertEventKey stores the key of a published event, if it has one.
func (w *writer) insertEventKey(a *event.Acceptance, r event.Receipt) error {
	if a.IdempotencyKey == "" {
		return nil
	}
	from := a.Event.CreatedAt
	if attributes := a.Event.Attributes; attributes != nil && attributes.DeliverAt.After(from) {
		from = attributes.DeliverAt // the key lives as long as the deliveries
	}
	_, err := w.stmts.insertEventKey.Exec(rawsqlite.Int(a.Event.TenantNo), rawsqlite.Text(a.IdempotencyKey), rawsqlite.Blob(a.BodyHash[:]),
		rawsqlite.Blob(a.Event.ID[:]), rawsqlite.Int(int64(r.Made)), rawsqlite.Int(int64(r.Refused)), rawsqlite.Int(micros(from)))
	return err
}

// isPlain reports whether an event of this acceptance has nothing but defaults in the columns that
// only insertPublished writes.
func isPlain(a *event.Acceptance) bool {
	e := &a.Event
	return !a.Published && e.TenantNo == event.DefaultTenantNo && e.Attributes == nil && !e.SingleAttempt
}

// attributesText returns the text of the column metadata.
func attributesText(a *event.Attributes) (string, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("encode the attributes of an event: %w", err)
	}
	return string(text), nil
}
