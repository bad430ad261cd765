package rawsqlite

import (
	"errors"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// LogBuffer collects SQLite's writes to its log, two for each page, and makes them with one write
// when SQLite syncs the log. No other connection needs them earlier: with synchronous=FULL, SQLite
// publishes a commit after the sync. Until then only this connection reads them, through the
// buffer.
//
// The methods of LogBuffer replace those of the log's sqlite3_file
// (https://www.sqlite.org/c3ref/io_methods.html), and call them.
type LogBuffer struct {
	memory uintptr // C memory: a logState, followed by bufferSize bytes
}

// logState is the state of the methods. It is in C memory and begins with the method table, so that
// a method finds it through its sqlite3_file. It contains no pointer to Go's memory.
type logState struct {
	methods sqlite3.Tsqlite3_io_methods // those of SQLite, some replaced by those of this file
	under   sqlite3.Tsqlite3_io_methods // those of SQLite
	used    int                         // how many bytes are collected
	offset  int64                       // where in the file the first of them belongs
	end     int64                       // where the last write ended
}

// bufferSize is the size of the buffer in bytes, enough for a commit of some 50 deliveries. One call
// of SQLite's write method can write less than 128 KiB.
const bufferSize = 124 << 10

// GatherLog makes the connection collect its writes to the log. The log must be open. Call it
// once.
func (c *Conn) GatherLog() (*LogBuffer, error) {
	file, rc := c.callForAddress(func(result uintptr) int32 {
		return sqlite3.Xsqlite3_file_control(c.tls, c.db, 0, sqlite3.SQLITE_FCNTL_JOURNAL_POINTER, result)
	})
	if rc != sqlite3.SQLITE_OK {
		return nil, c.lastError(rc)
	}
	if file == 0 || methodsOf(file) == 0 {
		return nil, errors.New("SQLite has not opened its log")
	}
	memory := libc.Xmalloc(c.tls, types.Size_t(unsafe.Sizeof(logState{})+bufferSize))
	if memory == 0 {
		return nil, errors.New("no memory for the log's buffer")
	}
	s := (*logState)(pointer(memory))
	*s = logState{under: *(*sqlite3.Tsqlite3_io_methods)(pointer(methodsOf(file)))}
	s.methods = s.under
	s.methods.FxRead, s.methods.FxWrite = logMethods.read, logMethods.write
	s.methods.FxSync, s.methods.FxTruncate, s.methods.FxFileSize = logMethods.sync, logMethods.truncate, logMethods.fileSize
	(*sqlite3.Tsqlite3_file)(pointer(file)).FpMethods = memory
	sqlite3.Xsqlite3_rollback_hook(c.tls, c.db, logMethods.rolledBack, memory)
	c.log = &LogBuffer{memory}
	return c.log, nil
}

// Size returns where SQLite's last write ended, which is the size of the part of the log that is in
// use. It becomes small when SQLite starts the log again from the beginning.
func (b *LogBuffer) Size() int64 {
	if b.memory == 0 { // the connection is closed
		return 0
	}
	return (*logState)(pointer(b.memory)).end
}

func methodsOf(file uintptr) uintptr { return (*sqlite3.Tsqlite3_file)(pointer(file)).FpMethods }

func stateOf(file uintptr) *logState { return (*logState)(pointer(methodsOf(file))) }

// bytes returns the whole buffer.
func (s *logState) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(*s))), bufferSize)
}

func logWrite(tls *libc.TLS, file, bytes uintptr, n int32, offset sqlite3.Tsqlite3_int64) int32 {
	s := stateOf(file)
	if offset != s.offset+int64(s.used) || s.used+int(n) > bufferSize {
		if rc := s.flush(tls, file); rc != sqlite3.SQLITE_OK {
			return rc
		}
		s.offset = offset
	}
	if int(n) > bufferSize { // larger than any page
		return function[transferFunc](s.under.FxWrite)(tls, file, bytes, n, offset)
	}
	s.used += copy(s.bytes()[s.used:], unsafe.Slice((*byte)(pointer(bytes)), n))
	return sqlite3.SQLITE_OK
}

// flush writes what is collected. If that fails, the transaction fails too, so the buffer is
// emptied in any case.
func (s *logState) flush(tls *libc.TLS, file uintptr) int32 {
	n := s.used
	if n == 0 {
		return sqlite3.SQLITE_OK
	}
	s.used, s.end = 0, s.offset+int64(n)
	return function[transferFunc](s.under.FxWrite)(tls, file, addressOf(s.bytes()), int32(n), s.offset)
}

// logRolledBack drops the writes that were collected from a transaction that is rolled back. There are
// some if the transaction was larger than SQLite's cache. If they were made later, they could
// overwrite what another process has committed meanwhile.
func logRolledBack(_ *libc.TLS, state uintptr) { (*logState)(pointer(state)).used = 0 }

func logRead(tls *libc.TLS, file, bytes uintptr, n int32, offset sqlite3.Tsqlite3_int64) int32 {
	s := stateOf(file)
	if rc := s.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return function[transferFunc](s.under.FxRead)(tls, file, bytes, n, offset)
}

func logSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	s := stateOf(file)
	if rc := s.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return function[syncFunc](s.under.FxSync)(tls, file, flags)
}

func logTruncate(tls *libc.TLS, file uintptr, size sqlite3.Tsqlite3_int64) int32 {
	s := stateOf(file)
	if rc := s.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return function[truncateFunc](s.under.FxTruncate)(tls, file, size)
}

func logFileSize(tls *libc.TLS, file, size uintptr) int32 {
	s := stateOf(file)
	if rc := s.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return function[fileSizeFunc](s.under.FxFileSize)(tls, file, size)
}
