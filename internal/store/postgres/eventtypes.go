package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	eventTypeNames = `name, description, schema, example, created_at, updated_at, archived_at, version`
	eventTypeSQL   = `SELECT ` + eventTypeNames + ` FROM event_types WHERE name = $1`
	// raiseTypesSQL locks the only row, so changes of the registry commit in the order of their
	// versions.
	raiseTypesSQL   = `UPDATE event_type_version SET version = version + 1 RETURNING version`
	putEventTypeSQL = `INSERT INTO event_types (` + eventTypeNames + `) VALUES ($1, $2, $3, $4, $5, $6, NULL, $7)
		ON CONFLICT (name) DO UPDATE SET description = excluded.description, schema = excluded.schema, example = excluded.example,
			updated_at = excluded.updated_at, archived_at = NULL, version = excluded.version
		RETURNING ` + eventTypeNames + `, xmax = 0`  // a row that was inserted has no xmax
	archiveTypeSQL    = `UPDATE event_types SET archived_at = $2, version = $3 WHERE name = $1 RETURNING ` + eventTypeNames
	listEventTypesSQL = `SELECT ` + eventTypeNames + ` FROM event_types WHERE name > $1 ORDER BY name LIMIT $2`
	typesSinceSQL     = `SELECT ` + eventTypeNames + ` FROM event_types WHERE version > $1 ORDER BY version`
)

// PutEventType creates or replaces an event type.
func (s *Store) PutEventType(ctx context.Context, t event.EventType) (after event.EventType, created bool, err error) {
	err = s.inTx(ctx, quick, "put an event type", func(ctx context.Context, tx pgx.Tx) (err error) {
		var version int64
		if err := tx.QueryRow(ctx, raiseTypesSQL).Scan(&version); err != nil {
			return err
		}
		after, err = scanEventType(tx.QueryRow(ctx, putEventTypeSQL, clean(t.Name), clean(t.Description),
			clean(string(t.Schema)), clean(string(t.Example)), t.CreatedAt, t.UpdatedAt, version), &created)
		return err
	})
	return after, created, err
}

// ArchiveEventType archives an event type. It locks the version first, as PutEventType does.
func (s *Store) ArchiveEventType(ctx context.Context, name string, at time.Time) (after event.EventType, err error) {
	err = s.inTx(ctx, quick, "archive an event type", func(ctx context.Context, tx pgx.Tx) (err error) {
		var version int64
		if err := tx.QueryRow(ctx, `SELECT version FROM event_type_version FOR NO KEY UPDATE`).Scan(&version); err != nil {
			return err
		}
		if after, err = readEventType(ctx, tx, name); err != nil || after.Archived() {
			return err
		}
		if err := tx.QueryRow(ctx, raiseTypesSQL).Scan(&version); err != nil {
			return err
		}
		after, err = scanEventType(tx.QueryRow(ctx, archiveTypeSQL, clean(name), at, version))
		return err
	})
	return after, err
}

// EventType reads an event type.
func (s *Store) EventType(ctx context.Context, name string) (event.EventType, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	t, err := readEventType(ctx, s.pool, name)
	return t, fail("read an event type", err)
}

func readEventType(ctx context.Context, db rowQuerier, name string) (event.EventType, error) {
	t, err := scanEventType(db.QueryRow(ctx, eventTypeSQL, clean(name)))
	if errors.Is(err, pgx.ErrNoRows) {
		return event.EventType{}, fmt.Errorf("%w: event type %s", event.ErrNotFound, name)
	}
	return t, err
}

// ListEventTypes reads a page of event types.
func (s *Store) ListEventTypes(ctx context.Context, after string, limit int) (list []event.EventType, err error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	err = s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, listEventTypesSQL, clean(after), limit)
		if err == nil {
			list, err = collectEventTypes(rows)
		}
		return err
	})
	if err != nil {
		return nil, fail("list event types", err)
	}
	return list, nil
}

// EventTypesSince reads the changes of the registry, and its version at the same moment, from the
// primary.
func (s *Store) EventTypesSince(ctx context.Context, after int64) (changed []event.EventType, now int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	b := &pgx.Batch{}
	b.Queue(beginSnapshot)
	b.Queue(`SELECT version FROM event_type_version`).QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	b.Queue(typesSinceSQL, after).Query(func(rows pgx.Rows) (err error) {
		changed, err = collectEventTypes(rows)
		return err
	})
	b.Queue(`COMMIT`)
	if err := s.pool.SendBatch(ctx, b).Close(); err != nil {
		return nil, 0, fail("read the changes of the event types", err)
	}
	return changed, now, nil
}

func collectEventTypes(rows pgx.Rows) ([]event.EventType, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (event.EventType, error) { return scanEventType(row) })
}

func scanEventType(row pgx.Row, more ...any) (event.EventType, error) {
	var t event.EventType
	var schema, example string
	err := row.Scan(append([]any{
		&t.Name, &t.Description, &schema, &example,
		timeTo{&t.CreatedAt},
		timeTo{&t.UpdatedAt},
		timeTo{&t.ArchivedAt},
		&t.Version,
	}, more...)...)
	if schema != "" {
		t.Schema = json.RawMessage(schema)
	}
	if example != "" {
		t.Example = json.RawMessage(example)
	}
	return t, err
}
