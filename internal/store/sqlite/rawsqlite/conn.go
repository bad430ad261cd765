package rawsqlite

import (
	"fmt"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Conn is a connection that uses SQLite's C interface. Only one goroutine at a time may use it,
// because it is opened without SQLite's mutex.
type Conn struct {
	tls   *libc.TLS
	db    uintptr
	stmts map[string]*Stmt // by their text
	log   *LogBuffer       // nil until GatherLog

	inserts  []*Insert
	gathered bool // one of them may have rows
}

// Open opens an existing database and runs the pragmas.
func Open(path string, pragmas ...string) (_ *Conn, err error) {
	c := &Conn{tls: libc.NewTLS(), stmts: map[string]*Stmt{}}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	name, err := libc.CString(path)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, name)
	var rc int32
	c.db, rc = c.callForAddress(func(result uintptr) int32 {
		return sqlite3.Xsqlite3_open_v2(c.tls, name, result, sqlite3.SQLITE_OPEN_READWRITE|sqlite3.SQLITE_OPEN_NOMUTEX, 0)
	})
	if rc != sqlite3.SQLITE_OK {
		return nil, c.lastError(rc)
	}
	sqlite3.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, 5000)
	for _, p := range pragmas {
		if _, err := c.Exec("PRAGMA " + p); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Close closes the connection. It finalizes the statements first, because SQLite keeps the database
// open and does not write the log back as long as there is one.
func (c *Conn) Close() error {
	for _, s := range c.stmts {
		sqlite3.Xsqlite3_finalize(c.tls, s.handle)
		libc.Xfree(c.tls, s.memory)
	}
	var err error
	if rc := sqlite3.Xsqlite3_close_v2(c.tls, c.db); rc != sqlite3.SQLITE_OK {
		err = c.lastError(rc)
	}
	if c.log != nil {
		libc.Xfree(c.tls, c.log.memory)
		c.log.memory = 0
	}
	c.tls.Close()
	return err
}

// callForAddress calls a function that stores an address at result, and returns that address.
func (c *Conn) callForAddress(call func(result uintptr) (rc int32)) (address uintptr, rc int32) {
	size := int(unsafe.Sizeof(address))
	result := c.tls.Alloc(size)
	defer c.tls.Free(size)
	rc = call(result)
	return *(*uintptr)(pointer(result)), rc
}

// Exec runs a statement to its end and returns how many rows it changed. Each value is a Value or
// has a type that toValues converts.
func (c *Conn) Exec(query string, values ...any) (int64, error) {
	s, err := c.Prepare(query)
	if err != nil {
		return 0, err
	}
	return s.Exec(toValues(values)...)
}

// Row runs a query for one row.
func (c *Conn) Row(query string, values ...any) Row {
	s, err := c.Prepare(query)
	if err != nil {
		return Row{rows: Rows{err: err}}
	}
	return s.Row(toValues(values)...)
}

// Prepare compiles a statement. The connection keeps it, and returns it again for the same text.
func (c *Conn) Prepare(query string) (*Stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	text, err := libc.CString(query)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	handle, rc := c.callForAddress(func(result uintptr) int32 {
		return sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, text, -1, sqlite3.SQLITE_PREPARE_PERSISTENT, result, 0)
	})
	if rc != sqlite3.SQLITE_OK {
		return nil, fmt.Errorf("prepare %q: %w", query, c.lastError(rc))
	}
	s := &Stmt{conn: c, handle: handle}
	c.stmts[query] = s
	return s, s.reserve(1)
}

// pointer converts an address in SQLite's memory, which Go's garbage collector neither moves nor
// frees.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }
