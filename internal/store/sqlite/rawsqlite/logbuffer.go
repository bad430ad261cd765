package rawsqlite

import (
	"errors"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// LogBuffer gathers what SQLite writes to its log, two writes for each page, until SQLite wants
// it on disk: then all of it goes out in one write. Nobody looks for a page in the log before
// that: SQLite publishes a commit to other connections after the sync (synchronous is FULL), and
// until then only this connection reads the log, through the buffer.
//
// It stands between SQLite and the file: its methods replace those of the log's sqlite3_file
// (https://www.sqlite.org/c3ref/io_methods.html), and call them.
type LogBuffer struct {
	memory uintptr // C memory: a logState, and bufferSize bytes behind it
}

// logState is all that the methods know. It is in C memory, and begins with the methods' table,
// so that a method finds it by its sqlite3_file and nothing else is needed. It holds no pointer to
// Go's memory.
type logState struct {
	methods sqlite3.Tsqlite3_io_methods // with those of this file in place of some
	under   sqlite3.Tsqlite3_io_methods // as they were
	used    int                         // bytes that are gathered
	offset  int64                       // where in the file the first of them belongs
	end     int64                       // where the last write ended
}

// bufferSize is how much is gathered at most, in bytes: a commit of some 50 deliveries. SQLite
// writes less than 128 KiB at once.
const bufferSize = 124 << 10

// GatherLog makes the connection gather its writes to the log. The log must be open. Call it
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

// Size is where SQLite's last write ended: the size of the log's part that is in use. It becomes
// small when SQLite starts the log again from its beginning.
func (b *LogBuffer) Size() int64 {
	if b.memory == 0 { // the connection is closed
		return 0
	}
	return (*logState)(pointer(b.memory)).end
}

func methodsOf(file uintptr) uintptr { return (*sqlite3.Tsqlite3_file)(pointer(file)).FpMethods }

func stateOf(file uintptr) *logState { return (*logState)(pointer(methodsOf(file))) }

// bytes are the gathered ones, with the room for more.
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

// flush writes what is gathered. If that fails, so does the transaction, which makes what was
// gathered of it useless.
func (s *logState) flush(tls *libc.TLS, file uintptr) int32 {
	n := s.used
	if n == 0 {
		return sqlite3.SQLITE_OK
	}
	s.used, s.end = 0, s.offset+int64(n)
	return function[transferFunc](s.under.FxWrite)(tls, file, addressOf(s.bytes()), int32(n), s.offset)
}

// logRolledBack drops what is gathered of a transaction that is rolled back, which is some of it if
// the transaction was larger than SQLite's cache. Written later, it could overwrite what another
// process has committed meanwhile.
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
