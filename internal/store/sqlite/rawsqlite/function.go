package rawsqlite

import (
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// The types of the methods that LogBuffer replaces and of the hook that it sets, as the SQLite that
// was translated to Go calls them.
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

// addressOfFunc returns what the translated SQLite uses as a C function pointer. f must be a
// declared function, because a closure might be garbage collected.
func addressOfFunc[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f})) }

// function returns the function at an address.
func function[F any](address uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{address})) }

// addressOf returns the address of a slice of C memory.
func addressOf(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
