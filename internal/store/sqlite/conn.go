package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// conn is the writer's connection, by SQLite's own interface instead of database/sql's: what
// that puts around each statement (locks, values in boxes and copies of them, a result) cost
// as much as a third of what SQLite itself did. It is for one goroutine, and opened without
// SQLite's mutex. Reads and migrations go by database/sql.
type conn struct {
	tls   *libc.TLS
	db    uintptr
	stmts map[string]*stmt // prepared once, by their text
}

// sqliteError is what SQLite says went wrong, with its extended result code.
type sqliteError struct {
	code int
	text string
}

func (e *sqliteError) Error() string { return fmt.Sprintf("%s (%d)", e.text, e.code) }

// Code is the extended result code, as the driver's errors have it.
func (e *sqliteError) Code() int { return e.code }

// openConn opens a file that there is, and runs the pragmas.
func openConn(path string, pragmas ...string) (_ *conn, err error) {
	c := &conn{tls: libc.NewTLS(), stmts: map[string]*stmt{}}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	name, err := libc.CString(path)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, name)
	var rc int32
	c.db, rc = c.gives(func(place uintptr) int32 {
		return sqlite3.Xsqlite3_open_v2(c.tls, name, place, sqlite3.SQLITE_OPEN_READWRITE|sqlite3.SQLITE_OPEN_NOMUTEX, 0)
	})
	if rc != sqlite3.SQLITE_OK {
		return nil, c.fault(rc)
	}
	sqlite3.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, 5000)
	for _, p := range pragmas {
		if _, err := c.exec("PRAGMA " + p); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// close lets go of the statements first: as long as one is left, SQLite keeps the file open,
// and does not write back the log.
func (c *conn) close() error {
	for _, s := range c.stmts {
		sqlite3.Xsqlite3_finalize(c.tls, s.handle)
		libc.Xfree(c.tls, s.memory)
	}
	var err error
	if rc := sqlite3.Xsqlite3_close_v2(c.tls, c.db); rc != sqlite3.SQLITE_OK {
		err = c.fault(rc)
	}
	c.tls.Close()
	return err
}

// gives makes a call that puts an address where it is told to, and returns that address.
func (c *conn) gives(call func(place uintptr) (rc int32)) (address uintptr, rc int32) {
	size := int(unsafe.Sizeof(address))
	place := c.tls.Alloc(size)
	defer c.tls.Free(size)
	rc = call(place)
	return *(*uintptr)(pointer(place)), rc
}

// fault is the error of the last call, which returned rc.
func (c *conn) fault(rc int32) error {
	if c.db != 0 {
		rc = sqlite3.Xsqlite3_extended_errcode(c.tls, c.db)
	}
	return &sqliteError{int(rc), libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))}
}

// exec runs a statement with values that num, text, blob and others make, or that are of
// these types; it returns how many rows it changed.
func (c *conn) exec(query string, values ...any) (int64, error) {
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	return s.exec(boxed(values)...)
}

// row is a query for one row.
func (c *conn) row(query string, values ...any) row {
	s, err := c.prepare(query)
	if err != nil {
		return row{err: err}
	}
	return s.row(boxed(values)...)
}

func (c *conn) prepare(query string) (*stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	text, err := libc.CString(query)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	handle, rc := c.gives(func(place uintptr) int32 {
		return sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, text, -1, sqlite3.SQLITE_PREPARE_PERSISTENT, place, 0)
	})
	if rc != sqlite3.SQLITE_OK {
		return nil, fmt.Errorf("prepare %q: %w", query, c.fault(rc))
	}
	s := &stmt{c: c, handle: handle}
	if err := s.makeRoom(1); err != nil {
		return nil, err
	}
	c.stmts[query] = s
	return s, nil
}

// stmt is a prepared statement.
type stmt struct {
	c      *conn
	handle uintptr
	memory uintptr // of SQLite's side: the bytes of the values, until they are bound anew
	room   []byte  // the same memory
}

// value is what a parameter is bound to.
type value struct {
	kind  kind
	num   int64
	float float64
	bytes string
}

type kind uint8

const (
	isNull kind = iota
	isNum
	isFloat
	isText
	isBlob
)

func num(n int64) value   { return value{kind: isNum, num: n} }
func text(s string) value { return value{kind: isText, bytes: s} }
func blob(b []byte) value {
	return value{kind: isBlob, bytes: unsafe.String(unsafe.SliceData(b), len(b))}
}

// textOrNull is NULL for nobody and nothing.
func textOrNull(s string) value {
	if s == "" {
		return value{}
	}
	return text(s)
}

// boxed turns values of Go's types into SQLite's. Another type is a mistake of this package's.
func boxed(values []any) []value {
	list := make([]value, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
		case value:
			list[i] = v
		case int64:
			list[i] = num(v)
		case int:
			list[i] = num(int64(v))
		case bool:
			if list[i] = num(0); v {
				list[i] = num(1)
			}
		case float64:
			list[i] = value{kind: isFloat, float: v}
		case string:
			list[i] = text(v)
		case []byte:
			list[i] = blob(v)
		default:
			panic(fmt.Sprintf("a %T can't be bound", v))
		}
	}
	return list
}

// largest is how much memory a statement keeps for values, in bytes.
const largest = 64 << 10

// makeRoom sees to memory for so many bytes of values.
func (s *stmt) makeRoom(size int) error {
	if size <= len(s.room) && (size > largest || len(s.room) <= largest) {
		return nil
	}
	libc.Xfree(s.c.tls, s.memory)
	size = max(size, 256)
	s.memory = libc.Xmalloc(s.c.tls, types.Size_t(size))
	if s.memory == 0 {
		s.room = nil
		return errors.New("no memory for the values of a statement")
	}
	s.room = unsafe.Slice((*byte)(pointer(s.memory)), size)
	return nil
}

func (s *stmt) bind(values []value) error {
	size := 1 // the address of nothing must not be that of NULL
	for i := range values {
		size += len(values[i].bytes)
	}
	if err := s.makeRoom(size); err != nil {
		return err
	}
	at := 0
	for i := range values {
		v, n := &values[i], int32(i+1)
		var rc int32
		switch v.kind {
		case isNull:
			rc = sqlite3.Xsqlite3_bind_null(s.c.tls, s.handle, n)
		case isNum:
			rc = sqlite3.Xsqlite3_bind_int64(s.c.tls, s.handle, n, v.num)
		case isFloat:
			rc = sqlite3.Xsqlite3_bind_double(s.c.tls, s.handle, n, v.float)
		case isText:
			rc = sqlite3.Xsqlite3_bind_text(s.c.tls, s.handle, n, s.memory+uintptr(at), int32(copy(s.room[at:], v.bytes)), sqlite3.SQLITE_STATIC)
		case isBlob:
			rc = sqlite3.Xsqlite3_bind_blob(s.c.tls, s.handle, n, s.memory+uintptr(at), int32(copy(s.room[at:], v.bytes)), sqlite3.SQLITE_STATIC)
		}
		if rc != sqlite3.SQLITE_OK {
			return s.c.fault(rc)
		}
		at += len(v.bytes)
	}
	return nil
}

// exec runs the statement to its end and returns how many rows it changed.
func (s *stmt) exec(values ...value) (changed int64, err error) {
	if err := s.bind(values); err != nil {
		return 0, err
	}
	rc := sqlite3.Xsqlite3_step(s.c.tls, s.handle)
	for rc == sqlite3.SQLITE_ROW {
		rc = sqlite3.Xsqlite3_step(s.c.tls, s.handle)
	}
	if rc != sqlite3.SQLITE_DONE {
		err = s.c.fault(rc)
	} else {
		changed = int64(sqlite3.Xsqlite3_changes(s.c.tls, s.c.db))
	}
	sqlite3.Xsqlite3_reset(s.c.tls, s.handle) // it returns the error of the step again
	return changed, err
}

// rows are the rows of a query, one after the other. close them.
type rows struct {
	s   *stmt
	err error
}

func (s *stmt) query(values ...value) rows { return rows{s, s.bind(values)} }

// next goes to the next row, and reports false after the last one, or where err is set.
func (r *rows) next() bool {
	if r.err != nil {
		return false
	}
	switch rc := sqlite3.Xsqlite3_step(r.s.c.tls, r.s.handle); rc {
	case sqlite3.SQLITE_ROW:
		return true
	case sqlite3.SQLITE_DONE:
	default:
		r.err = r.s.c.fault(rc)
	}
	return false
}

func (r *rows) close() { sqlite3.Xsqlite3_reset(r.s.c.tls, r.s.handle) }

// column is a value as database/sql's scanners take it: int64, float64, string, []byte or nil.
func (r *rows) column(i int) any {
	tls, handle, n := r.s.c.tls, r.s.handle, int32(i)
	switch sqlite3.Xsqlite3_column_type(tls, handle, n) {
	case sqlite3.SQLITE_INTEGER:
		return sqlite3.Xsqlite3_column_int64(tls, handle, n)
	case sqlite3.SQLITE_FLOAT:
		return sqlite3.Xsqlite3_column_double(tls, handle, n)
	case sqlite3.SQLITE_TEXT:
		return string(r.bytes(n))
	case sqlite3.SQLITE_BLOB:
		return append([]byte{}, r.bytes(n)...)
	}
	return nil
}

// bytes are a column's, until the next step.
func (r *rows) bytes(n int32) []byte {
	at := sqlite3.Xsqlite3_column_blob(r.s.c.tls, r.s.handle, n) // a text's are the same
	if at == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(at)), sqlite3.Xsqlite3_column_bytes(r.s.c.tls, r.s.handle, n))
}

// scan reads the row's columns, in their order.
func (r *rows) scan(into ...any) error {
	for i, to := range into {
		if err := assign(to, r.column(i)); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
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
		return fmt.Errorf("it holds %T, which does not go into %T", from, to)
	}
	return nil
}

// row is a query of which the first row counts.
type row struct {
	of  rows
	err error
}

func (s *stmt) row(values ...value) row { return row{of: s.query(values...)} }

// Scan returns sql.ErrNoRows where there is none.
func (r row) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.of.close()
	if !r.of.next() {
		if r.of.err != nil {
			return r.of.err
		}
		return sql.ErrNoRows
	}
	return r.of.scan(into...)
}

// pointer is an address of SQLite's side, which Go's collector knows nothing of.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }
