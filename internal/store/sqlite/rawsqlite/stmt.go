package rawsqlite

import (
	"errors"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// Stmt is a prepared statement. It lives as long as its connection.
type Stmt struct {
	conn   *Conn
	handle uintptr
	memory uintptr // C memory: the bytes of the bound values
	bytes  []byte  // the same memory
}

// keepBytes is the most memory that a statement keeps between runs.
const keepBytes = 64 << 10

// reserve allocates memory for the bytes of the next values. It shrinks the memory after a large
// value.
func (s *Stmt) reserve(size int) error {
	if size <= len(s.bytes) && (size > keepBytes || len(s.bytes) <= keepBytes) {
		return nil
	}
	libc.Xfree(s.conn.tls, s.memory)
	size = max(size, 256)
	s.memory = libc.Xmalloc(s.conn.tls, types.Size_t(size))
	if s.memory == 0 {
		s.bytes = nil
		return errors.New("no memory for the values of a statement")
	}
	s.bytes = unsafe.Slice((*byte)(pointer(s.memory)), size)
	return nil
}

// bind copies the values to C memory, because SQLite reads them while the statement runs and must
// not read Go's memory.
func (s *Stmt) bind(values []Value) error {
	size := 1 // the address of an empty value must not be that of NULL
	for i := range values {
		size += len(values[i].bytes)
	}
	if err := s.reserve(size); err != nil {
		return err
	}
	offset := 0
	for i := range values {
		if rc := s.bindOne(int32(i+1), &values[i], offset); rc != sqlite3.SQLITE_OK {
			return s.conn.lastError(rc)
		}
		offset += len(values[i].bytes)
	}
	return nil
}

// bindOne binds parameter n, with the value's bytes at the offset of the statement's memory.
func (s *Stmt) bindOne(n int32, v *Value, offset int) int32 {
	tls, address := s.conn.tls, s.memory+uintptr(offset)
	switch v.kind {
	case kindInt:
		return sqlite3.Xsqlite3_bind_int64(tls, s.handle, n, v.int)
	case kindFloat:
		return sqlite3.Xsqlite3_bind_double(tls, s.handle, n, v.float)
	case kindText:
		return sqlite3.Xsqlite3_bind_text(tls, s.handle, n, address, int32(copy(s.bytes[offset:], v.bytes)), sqlite3.SQLITE_STATIC)
	case kindBlob:
		return sqlite3.Xsqlite3_bind_blob(tls, s.handle, n, address, int32(copy(s.bytes[offset:], v.bytes)), sqlite3.SQLITE_STATIC)
	}
	return sqlite3.Xsqlite3_bind_null(tls, s.handle, n)
}

// Exec runs the statement to its end and returns how many rows it changed.
func (s *Stmt) Exec(values ...Value) (changed int64, err error) {
	if err := s.conn.flush(); err != nil {
		return 0, err
	}
	return s.run(values)
}

func (s *Stmt) run(values []Value) (changed int64, err error) {
	if err := s.bind(values); err != nil {
		return 0, err
	}
	rc := sqlite3.Xsqlite3_step(s.conn.tls, s.handle)
	for rc == sqlite3.SQLITE_ROW {
		rc = sqlite3.Xsqlite3_step(s.conn.tls, s.handle)
	}
	if rc != sqlite3.SQLITE_DONE {
		err = s.conn.lastError(rc)
	} else {
		changed = int64(sqlite3.Xsqlite3_changes(s.conn.tls, s.conn.db))
	}
	sqlite3.Xsqlite3_reset(s.conn.tls, s.handle) // returns the error of the step again
	return changed, err
}

// Query starts the statement. The rows must be closed before the statement runs again.
func (s *Stmt) Query(values ...Value) Rows {
	if err := s.conn.flush(); err != nil {
		return Rows{s, err}
	}
	return Rows{s, s.bind(values)}
}

// Row runs a query for one row.
func (s *Stmt) Row(values ...Value) Row { return Row{s.Query(values...)} }
