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

// uuid and maybe turn ids and times into what pgx sends.
func uuid(id event.ID) [16]byte { return id }

func maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// clean makes text that PostgreSQL takes: UTF-8 without NUL. What comes from a
// receiver or the network may be anything.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// micros of a phase fit a column of four bytes, which is half an hour.
func micros(d time.Duration) int32 {
	return int32(min(max(d.Microseconds(), 0), math.MaxInt32))
}

func duration(us int32) time.Duration { return time.Duration(us) * time.Microsecond }

// last is the largest id there can be.
var last = store.PageEnd(event.ID{})

// cursor is what the ids of a page are below.
func cursor(before event.ID) [16]byte {
	return store.PageEnd(before)
}

// Columns are read with these: an id, and a time in UTC that may be NULL.

func idTo(id *event.ID) *[16]byte { return (*[16]byte)(id) }

// maybeTo reads a column that may be NULL, which leaves the value as it is.
type maybeTo[T bool | int] struct{ v *T }

// ScanBool is called by pgx.
func (m maybeTo[T]) ScanBool(v pgtype.Bool) error {
	if b, ok := any(m.v).(*bool); ok && v.Valid {
		*b = v.Bool
	}
	return nil
}

// ScanInt64 is called by pgx.
func (m maybeTo[T]) ScanInt64(v pgtype.Int8) error {
	if n, ok := any(m.v).(*int); ok && v.Valid {
		*n = int(v.Int64)
	}
	return nil
}

type timeTo struct{ t *time.Time }

// ScanTimestamptz is called by pgx.
func (s timeTo) ScanTimestamptz(v pgtype.Timestamptz) error {
	if v.Valid {
		*s.t = v.Time.UTC()
	}
	return nil
}
