package postgres

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// renamed are the columns of a copy that have another name here.
var renamed = map[string]string{"retry_schedule": "retry_schedule_us"}

// copyRows writes rows of a step by COPY.
func (t *Target) copyRows(ctx context.Context, tx pgx.Tx, step store.CopyStep, rows [][]any) error {
	names := make([]string, len(step.Columns))
	for i, c := range step.Columns {
		names[i] = cmp.Or(renamed[c.Name], c.Name)
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{step.Table}, names, pgx.CopyFromSlice(len(rows), func(n int) ([]any, error) {
		row := make([]any, len(step.Columns))
		for i, c := range step.Columns {
			var err error
			if row[i], err = t.written(c.Kind, rows[n][i]); err != nil {
				return nil, fmt.Errorf("the column %s of the %s: %w", c.Name, step.Name, err)
			}
		}
		return row, nil
	}))
	return err
}

// written makes what the driver writes of a value of a copy.
func (t *Target) written(kind store.CopyKind, value any) (any, error) {
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
		if kind == store.CopyMicros {
			return min(max(v, 0), math.MaxInt32), nil
		}
		return v, nil
	case time.Time:
		return t.writtenTime(kind, v), nil
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
	return nil, fmt.Errorf("a source has read %T, which no column takes", value)
}

// writtenTime brings what nodes compare to the database's time.
func (t *Target) writtenTime(kind store.CopyKind, at time.Time) any {
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
