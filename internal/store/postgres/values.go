package postgres

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// uuid and nullTime convert ids and times for pgx. A zero time is NULL.
func uuid(id event.ID) [16]byte { return id }

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// clean returns a text in a form that PostgreSQL accepts: UTF-8 without NUL. Texts from endpoints
// and the network may contain anything.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// micros returns the microseconds of a phase, at most as many as a column of four bytes can store,
// which is half an hour.
func micros(d time.Duration) int32 {
	return int32(min(max(d.Microseconds(), 0), math.MaxInt32))
}

func duration(us int32) time.Duration { return time.Duration(us) * time.Microsecond }

// last is the largest possible id.
var last = store.PageEnd(event.ID{})

// cursor returns the exclusive upper bound of the ids on a page.
func cursor(before event.ID) [16]byte {
	return store.PageEnd(before)
}

// idTo reads an id.
func idTo(id *event.ID) *[16]byte { return (*[16]byte)(id) }

// nullTo reads a column that may be NULL. NULL leaves the value unchanged.
type nullTo[T bool | int] struct{ v *T }

// ScanBool implements pgtype.BoolScanner.
func (m nullTo[T]) ScanBool(v pgtype.Bool) error {
	if b, ok := any(m.v).(*bool); ok && v.Valid {
		*b = v.Bool
	}
	return nil
}

// ScanInt64 implements pgtype.Int64Scanner.
func (m nullTo[T]) ScanInt64(v pgtype.Int8) error {
	if n, ok := any(m.v).(*int); ok && v.Valid {
		*n = int(v.Int64)
	}
	return nil
}

// timeTo reads a time in UTC. NULL leaves the value unchanged.
type timeTo struct{ t *time.Time }

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (s timeTo) ScanTimestamptz(v pgtype.Timestamptz) error {
	if v.Valid {
		*s.t = v.Time.UTC()
	}
	return nil
}
