package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// micros and fromMicros convert times to the values of columns, and back.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// idScan and timeScan read columns.
type idScan struct{ to *event.ID }

func (s idScan) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(s.to) {
		return fmt.Errorf("a column contains %T of %d bytes, not an id", src, len(b))
	}
	copy(s.to[:], b)
	return nil
}

type timeScan struct{ to *time.Time }

func (s timeScan) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a column contains %T, not a time", src)
	}
	*s.to = fromMicros(us)
	return nil
}

type statusScan struct{ to *event.Status }

func (s statusScan) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a column contains %T, not a status", src)
	}
	*s.to = event.Status(n)
	return nil
}

// jsonScan reads a list or map that is stored as JSON text. NULL leaves it nil.
type jsonScan struct{ to any }

func (s jsonScan) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), s.to)
	case []byte:
		return json.Unmarshal(v, s.to)
	}
	return fmt.Errorf("a column contains %T, not JSON", src)
}

// cursor returns the exclusive upper bound of the ids on a page.
func cursor(before event.ID) []byte {
	end := store.PageEnd(before)
	return end[:]
}

// scanner is a row, of database/sql or the writer's connection.
type scanner interface{ Scan(into ...any) error }

// collect reads each row with scan, and closes the rows. what describes the query in an error.
func collect[T any](what string, rows *sql.Rows, scan func() (T, error)) ([]T, error) {
	defer rows.Close()
	list := []T{}
	for rows.Next() {
		item, err := scan()
		if err != nil {
			return nil, unavailable(what, err)
		}
		list = append(list, item)
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable(what, err)
	}
	return list, nil
}
