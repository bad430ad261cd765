package postgres

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// renamed has the columns of a copy that have another name in PostgreSQL.
var renamed = map[string]string{"retry_schedule": "retry_schedule_us"}

// seeded are the tables in which a new database has rows already. Their steps are Last, so all of
// their rows are written at once.
var seeded = []string{"tenants", "event_type_version"}

// copyRows writes rows of a step with COPY.
func (t *Target) copyRows(ctx context.Context, tx pgx.Tx, step store.CopyStep, rows [][]any) error {
	if slices.Contains(seeded, step.Table) {
		if _, err := tx.Exec(ctx, `DELETE FROM `+step.Table); err != nil {
			return err
		}
	}
	names := make([]string, len(step.Columns))
	for i, c := range step.Columns {
		names[i] = cmp.Or(renamed[c.Name], c.Name)
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{step.Table}, names, pgx.CopyFromSlice(len(rows), func(n int) ([]any, error) {
		row := make([]any, len(step.Columns))
		for i, c := range step.Columns {
			var err error
			if row[i], err = t.encode(c.Kind, rows[n][i]); err != nil {
				return nil, fmt.Errorf("the column %s of the %s: %w", c.Name, step.Name, err)
			}
		}
		return row, nil
	}))
	return err
}

// encode converts a value of a copy to the value that the driver writes.
func (t *Target) encode(kind store.CopyKind, value any) (any, error) {
	switch v := value.(type) {
	case event.ID:
		if kind == store.CopyMaybeID && v.IsZero() {
			return nil, nil
		}
		return uuid(v), nil
	case string:
		if kind == store.CopyMaybeText && v == "" {
			return nil, nil
		}
		return clean(v), nil
	case int64:
		switch {
		case kind == store.CopyMicros:
			return min(max(v, 0), math.MaxInt32), nil
		case kind != store.CopyInt && v < 0: // of the kinds that may have no value
			return nil, nil
		}
		return v, nil
	case time.Time:
		return t.encodeTime(kind, v), nil
	case []byte:
		if v == nil {
			return nil, nil
		}
		return v, nil
	case []string:
		return patterns(v), nil
	case [][]byte:
		return blobs(v), nil
	case []int64:
		return schedule(v), nil
	case bool, float64:
		return v, nil
	}
	return nil, fmt.Errorf("the source returned %T, which is no type of a column", value)
}

// encodeTime converts the times that nodes compare to the database's clock.
func (t *Target) encodeTime(kind store.CopyKind, at time.Time) any {
	switch kind {
	case store.CopyMaybeTime:
		return nullTime(at)
	case store.CopyShared:
		return t.store.clock.toDatabase(at)
	case store.CopyMaybeShared:
		return nullTime(t.store.clock.toDatabase(at))
	}
	return at
}
