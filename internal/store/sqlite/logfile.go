package sqlite

import (
	"errors"
	"sync"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// logBuffer gathers what SQLite writes to its log, two writes for each page, until it wants it
// on disk: then all goes out in one. Nobody looks for a page in the log before that, because
// SQLite tells of a commit after it was synced (synchronous is FULL), and the log is read over
// this connection alone until then, which finds what is gathered.
//
// It stands between SQLite and the file: its methods are those of the log's sqlite3_file
// (https://www.sqlite.org/c3ref/io_methods.html), and hand on to those that were there.
type logBuffer struct {
	under   sqlite3.Tsqlite3_io_methods // the methods that were there
	methods uintptr                     // the table of ours
	memory  uintptr                     // of SQLite's side, bufferSize
	bytes   []byte                      // the same memory
	used    int
	at      int64 // where in the file the first byte belongs
	end     int64 // where the last that was written ends: the length of the log, which begins anew at times
}

// bufferSize is as much as is gathered, in bytes: a commit of some 50 deliveries. SQLite writes
// less than 128 KiB at once.
const bufferSize = 124 << 10

// logBuffers are those in use, by the address of their sqlite3_file.
var logBuffers sync.Map

// gatherLog has the connection's writes to its log gathered. The log must be open.
func (c *conn) gatherLog() (*logBuffer, error) {
	file, rc := c.gives(func(place uintptr) int32 {
		return sqlite3.Xsqlite3_file_control(c.tls, c.db, 0, sqlite3.SQLITE_FCNTL_JOURNAL_POINTER, place)
	})
	if rc != sqlite3.SQLITE_OK {
		return nil, c.fault(rc)
	}
	if file == 0 {
		return nil, errors.New("SQLite has not opened its log")
	}
	f := (*sqlite3.Tsqlite3_file)(pointer(file))
	if f.FpMethods == 0 {
		return nil, errors.New("SQLite has not opened its log")
	}
	b := &logBuffer{under: *(*sqlite3.Tsqlite3_io_methods)(pointer(f.FpMethods))}
	b.memory = libc.Xmalloc(c.tls, bufferSize)
	b.methods = libc.Xmalloc(c.tls, types.Size_t(unsafe.Sizeof(b.under)))
	if b.memory == 0 || b.methods == 0 {
		return nil, errors.New("no memory for the log's buffer")
	}
	b.bytes = unsafe.Slice((*byte)(pointer(b.memory)), bufferSize)
	table := b.under
	table.FxRead, table.FxWrite = functions.read, functions.write
	table.FxSync, table.FxTruncate = functions.sync, functions.truncate
	table.FxFileSize, table.FxClose = functions.size, functions.close
	*(*sqlite3.Tsqlite3_io_methods)(pointer(b.methods)) = table
	logBuffers.Store(file, b)
	f.FpMethods = b.methods
	return b, nil
}

// functions are the addresses of ours, as the translated SQLite calls them.
var functions = struct{ read, write, sync, truncate, size, close uintptr }{
	read:     *(*uintptr)(unsafe.Pointer(&struct{ f transferFunc }{logRead})),
	write:    *(*uintptr)(unsafe.Pointer(&struct{ f transferFunc }{logWrite})),
	sync:     *(*uintptr)(unsafe.Pointer(&struct{ f syncFunc }{logSync})),
	truncate: *(*uintptr)(unsafe.Pointer(&struct{ f truncateFunc }{logTruncate})),
	size:     *(*uintptr)(unsafe.Pointer(&struct{ f sizeFunc }{logSize})),
	close:    *(*uintptr)(unsafe.Pointer(&struct{ f closeFunc }{logClose})),
}

type (
	transferFunc = func(tls *libc.TLS, file, bytes uintptr, n int32, at sqlite3.Tsqlite3_int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size sqlite3.Tsqlite3_int64) int32
	sizeFunc     = func(tls *libc.TLS, file, size uintptr) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
)

// function is what stands at an address.
func function[F any](address uintptr) F {
	return *(*F)(unsafe.Pointer(&struct{ uintptr }{address}))
}

func bufferOf(file uintptr) *logBuffer {
	b, _ := logBuffers.Load(file)
	return b.(*logBuffer)
}

func logWrite(tls *libc.TLS, file, bytes uintptr, n int32, at sqlite3.Tsqlite3_int64) int32 {
	b := bufferOf(file)
	if at != b.at+int64(b.used) || b.used+int(n) > len(b.bytes) {
		if rc := b.flush(tls, file); rc != sqlite3.SQLITE_OK {
			return rc
		}
		b.at = at
	}
	if int(n) > len(b.bytes) { // larger than any page is
		return function[transferFunc](b.under.FxWrite)(tls, file, bytes, n, at)
	}
	b.used += copy(b.bytes[b.used:], unsafe.Slice((*byte)(pointer(bytes)), n))
	return sqlite3.SQLITE_OK
}

// flush writes what is gathered. Where that fails, the transaction does, and what was
// gathered of it is of no use.
func (b *logBuffer) flush(tls *libc.TLS, file uintptr) int32 {
	n := b.used
	if n == 0 {
		return sqlite3.SQLITE_OK
	}
	b.used, b.end = 0, b.at+int64(n)
	return function[transferFunc](b.under.FxWrite)(tls, file, b.memory, int32(n), b.at)
}

func logRead(tls *libc.TLS, file, bytes uintptr, n int32, at sqlite3.Tsqlite3_int64) int32 {
	b := bufferOf(file)
	if rc := b.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return function[transferFunc](b.under.FxRead)(tls, file, bytes, n, at)
}

func logSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	b := bufferOf(file)
	if rc := b.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return function[syncFunc](b.under.FxSync)(tls, file, flags)
}

func logTruncate(tls *libc.TLS, file uintptr, size sqlite3.Tsqlite3_int64) int32 {
	b := bufferOf(file)
	if rc := b.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return function[truncateFunc](b.under.FxTruncate)(tls, file, size)
}

func logSize(tls *libc.TLS, file, size uintptr) int32 {
	b := bufferOf(file)
	if rc := b.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return function[sizeFunc](b.under.FxFileSize)(tls, file, size)
}

// logClose leaves out what was not synced: no commit has told of it.
func logClose(tls *libc.TLS, file uintptr) int32 {
	b := bufferOf(file)
	logBuffers.Delete(file)
	libc.Xfree(tls, b.memory)
	libc.Xfree(tls, b.methods)
	return function[closeFunc](b.under.FxClose)(tls, file)
}
