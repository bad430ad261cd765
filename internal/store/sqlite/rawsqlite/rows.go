package rawsqlite

import (
	"database/sql"
	"fmt"
	"unsafe"

	sqlite3 "modernc.org/sqlite/lib"
)

// Rows is the result of a query. Next steps through its rows.
type Rows struct {
	stmt *Stmt
	err  error
}

// Next steps to the next row. It returns false after the last one, and on an error, which Err
// returns.
func (r *Rows) Next() bool {
	if r.err != nil {
		return false
	}
	switch rc := sqlite3.Xsqlite3_step(r.stmt.conn.tls, r.stmt.handle); rc {
	case sqlite3.SQLITE_ROW:
		return true
	case sqlite3.SQLITE_DONE:
	default:
		r.err = r.stmt.conn.lastError(rc)
	}
	return false
}

// Err returns the error that ended the rows, or nil.
func (r *Rows) Err() error { return r.err }

// Close ends the query, and with it the read transaction that it opened.
func (r *Rows) Close() {
	if r.stmt != nil {
		sqlite3.Xsqlite3_reset(r.stmt.conn.tls, r.stmt.handle)
	}
}

// Scan copies the columns of the row in order. Each destination is an sql.Scanner or a pointer to a
// type that assign supports.
func (r *Rows) Scan(destinations ...any) error {
	for i, to := range destinations {
		if err := assign(to, r.column(i)); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

// column returns a value in a type for sql.Scanner: int64, float64, string, []byte or nil.
func (r *Rows) column(i int) any {
	tls, handle, n := r.stmt.conn.tls, r.stmt.handle, int32(i)
	switch sqlite3.Xsqlite3_column_type(tls, handle, n) {
	case sqlite3.SQLITE_INTEGER:
		return sqlite3.Xsqlite3_column_int64(tls, handle, n)
	case sqlite3.SQLITE_FLOAT:
		return sqlite3.Xsqlite3_column_double(tls, handle, n)
	case sqlite3.SQLITE_TEXT:
		return string(r.columnBytes(n))
	case sqlite3.SQLITE_BLOB:
		return append([]byte{}, r.columnBytes(n)...)
	}
	return nil
}

// columnBytes returns bytes in SQLite's memory. They are valid until the next step.
func (r *Rows) columnBytes(n int32) []byte {
	address := sqlite3.Xsqlite3_column_blob(r.stmt.conn.tls, r.stmt.handle, n) // this works for a text, too
	if address == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(address)), sqlite3.Xsqlite3_column_bytes(r.stmt.conn.tls, r.stmt.handle, n))
}

func assign(to, from any) error {
	ok := true
	switch to := to.(type) {
	case sql.Scanner:
		return to.Scan(from)
	case *string:
		*to, ok = from.(string)
	case *[]byte:
		*to, ok = from.([]byte)
	case *float64:
		*to, ok = from.(float64)
	case *int64:
		*to, ok = from.(int64)
	case *int:
		var n int64
		n, ok = from.(int64)
		*to = int(n)
	case *bool:
		var n int64
		n, ok = from.(int64)
		*to = n != 0
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("it contains %T, which can't be stored in %T", from, to)
	}
	return nil
}

// Row is the result of a query for one row.
type Row struct{ rows Rows }

// Scan copies the columns of the row and ends the query. It returns sql.ErrNoRows if there is no
// row.
func (r Row) Scan(destinations ...any) error {
	defer r.rows.Close()
	if r.rows.Next() {
		return r.rows.Scan(destinations...)
	}
	if r.rows.err != nil {
		return r.rows.err
	}
	return sql.ErrNoRows
}
