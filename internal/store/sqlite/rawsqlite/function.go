package rawsqlite

import (
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// The types of the methods that the log's buffer replaces, and of the hook that it sets, as the
// translated SQLite calls them.
type (
	transferFunc = func(tls *libc.TLS, file, bytes uintptr, n int32, offset sqlite3.Tsqlite3_int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size sqlite3.Tsqlite3_int64) int32
	fileSizeFunc = func(tls *libc.TLS, file, size uintptr) int32
	rollbackFunc = func(tls *libc.TLS, state uintptr)
)

// logMethods are the addresses of the buffer's methods and hook. They never change.
var logMethods = struct{ read, write, sync, truncate, fileSize, rolledBack uintptr }{
	read:       addressOfFunc(transferFunc(logRead)),
	write:      addressOfFunc(transferFunc(logWrite)),
	sync:       addressOfFunc(syncFunc(logSync)),
	truncate:   addressOfFunc(truncateFunc(logTruncate)),
	fileSize:   addressOfFunc(fileSizeFunc(logFileSize)),
	rolledBack: addressOfFunc(rollbackFunc(logRolledBack)),
}

// addressOfFunc is what the translated SQLite has in place of C's function pointer. f must be a
// function that is declared, not a closure: nothing else keeps a closure from being collected.
func addressOfFunc[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f})) }

// function is the function at an address.
func function[F any](address uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{address})) }

// addressOf is that of C memory.
func addressOf(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
