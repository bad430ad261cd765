package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	eventTypeColumns = `name, description, schema, example, created_at, updated_at, archived_at, version`
	selectEventTypes = `SELECT ` + eventTypeColumns + ` FROM event_types `
)

// PutEventType creates an event type, or replaces it.
func (s *Store) PutEventType(ctx context.Context, t event.EventType) (after event.EventType, created bool, err error) {
	err = s.write(ctx, 1, func(w *writer) (err error) {
		after, created, err = w.putEventType(&t)
		return err
	})
	return after, created, err
}

func (w *writer) putEventType(t *event.EventType) (after event.EventType, created bool, err error) {
	version, err := w.raiseTypes()
	if err != nil {
		return after, false, err
	}
	replaced, err := w.conn.Exec(`UPDATE event_types SET description = ?, schema = ?, example = ?, updated_at = ?, archived_at = 0, version = ? WHERE name = ?`,
		t.Description, string(t.Schema), string(t.Example), micros(t.UpdatedAt), version, t.Name)
	if created = replaced == 0; err == nil && created {
		_, err = w.conn.Exec(`INSERT INTO event_types (`+eventTypeColumns+`) VALUES (?, ?, ?, ?, ?, ?, 0, ?)`,
			t.Name, t.Description, string(t.Schema), string(t.Example), micros(t.CreatedAt), micros(t.UpdatedAt), version)
	}
	if err != nil {
		return after, false, err
	}
	after, err = readEventType(w.conn.Row(selectEventTypes+`WHERE name = ?`, t.Name), t.Name)
	return after, created, err
}

// ArchiveEventType archives an event type.
func (s *Store) ArchiveEventType(ctx context.Context, name string, at time.Time) (after event.EventType, err error) {
	err = s.write(ctx, 1, func(w *writer) (err error) {
		if after, err = readEventType(w.conn.Row(selectEventTypes+`WHERE name = ?`, name), name); err != nil || after.Archived() {
			return err
		}
		version, err := w.raiseTypes()
		if err != nil {
			return err
		}
		if _, err := w.conn.Exec(`UPDATE event_types SET archived_at = ?, version = ? WHERE name = ?`, micros(at), version, name); err != nil {
			return err
		}
		after.ArchivedAt, after.Version = fromMicros(micros(at)), version
		return nil
	})
	return after, err
}

// EventType reads an event type, even an archived one.
func (s *Store) EventType(ctx context.Context, name string) (event.EventType, error) {
	return readEventType(s.reads.QueryRowContext(ctx, selectEventTypes+`WHERE name = ?`, name), name)
}

// ListEventTypes reads a page of event types.
func (s *Store) ListEventTypes(ctx context.Context, after string, limit int) ([]event.EventType, error) {
	rows, err := s.reads.QueryContext(ctx, eventTypesAfter, after, limit)
	if err != nil {
		return nil, unavailable("list event types", err)
	}
	return collect("list event types", rows, func() (event.EventType, error) { return scanEventType(rows) })
}

const (
	typesVersion    = `SELECT version FROM event_type_version`
	typesSince      = selectEventTypes + `WHERE version > ? ORDER BY version`
	eventTypesAfter = selectEventTypes + `WHERE name > ? ORDER BY name LIMIT ?`
)

// EventTypesSince reads the changes of the registry, in one snapshot.
func (s *Store) EventTypesSince(ctx context.Context, after int64) (changed []event.EventType, now int64, err error) {
	const what = "read the changes of the event types"
	tx, err := s.reads.BeginTx(ctx, nil)
	if err != nil {
		return nil, 0, unavailable(what, err)
	}
	defer tx.Rollback() // the transaction only reads
	if err := tx.QueryRowContext(ctx, typesVersion).Scan(&now); err != nil {
		return nil, 0, unavailable(what, err)
	}
	rows, err := tx.QueryContext(ctx, typesSince, after)
	if err != nil {
		return nil, 0, unavailable(what, err)
	}
	changed, err = collect(what, rows, func() (event.EventType, error) { return scanEventType(rows) })
	return changed, now, err
}

// typesNow returns the version of the event types in the current transaction. The writer remembers
// it, because only the writer changes it.
func (w *writer) typesNow() (int64, error) {
	if w.types != 0 {
		return w.types, nil
	}
	err := w.conn.Row(typesVersion).Scan(&w.types)
	return w.types, err
}

// raiseTypes increases the version of the event types and returns it.
func (w *writer) raiseTypes() (int64, error) {
	w.types = 0
	if _, err := w.conn.Exec(`UPDATE event_type_version SET version = version + 1`); err != nil {
		return 0, err
	}
	return w.typesNow()
}

func readEventType(row scanner, name string) (event.EventType, error) {
	t, err := scanEventType(row)
	if errors.Is(err, sql.ErrNoRows) {
		return event.EventType{}, fmt.Errorf("%w: event type %s", event.ErrNotFound, name)
	}
	if err != nil {
		return event.EventType{}, unavailable("read an event type", err)
	}
	return t, nil
}

// scanEventType reads eventTypeColumns.
func scanEventType(row scanner) (t event.EventType, err error) {
	var schema, example string
	err = row.Scan(&t.Name, &t.Description, &schema, &example, timeScan{&t.CreatedAt}, timeScan{&t.UpdatedAt}, timeScan{&t.ArchivedAt}, &t.Version)
	t.Schema, t.Example = rawJSON(schema), rawJSON(example)
	return t, err
}

// rawJSON returns nil for an empty text.
func rawJSON(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}
