package rawsqlite

import (
	"errors"
	"fmt"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Error is an error of SQLite, with its extended result code
// (https://www.sqlite.org/rescode.html).
type Error struct {
	code int
	text string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.text, e.code) }

// Code returns the extended result code. The errors of the database/sql driver have the same
// method.
func (e *Error) Code() int { return e.code }

// lastError returns the error of the connection's last call, which returned rc.
func (c *Conn) lastError(rc int32) error {
	if c.db != 0 {
		rc = sqlite3.Xsqlite3_extended_errcode(c.tls, c.db)
	}
	return &Error{int(rc), libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))}
}

// codeOf returns the extended result code of an error of this package or of the driver, or 0.
func codeOf(err error) int {
	var e interface {
		error
		Code() int
	}
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// IsFull reports whether there was no free disk space. SQLite reports a quota, a limit on file
// sizes, and a full disk when the log's index has to grow, as a failed write. A broken disk may
// look the same, and is a matter for the operator as well.
func IsFull(err error) bool {
	switch codeOf(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE:
		return true
	}
	return false
}

// IsDamaged reports whether the file is damaged, or not a SQLite database.
func IsDamaged(err error) bool {
	code := codeOf(err)
	return code&0xff == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// IsReadOnly reports whether the file, or its directory, can't be written.
func IsReadOnly(err error) bool { return codeOf(err)&0xff == sqlite3.SQLITE_READONLY }

// IsLocked reports whether another connection held a lock for longer than the busy timeout.
func IsLocked(err error) bool {
	code := codeOf(err) & 0xff
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}
