package sqlite

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"hookferry/internal/event"
)

// unavailable says what was tried. An error that is about room is ErrFull.
func unavailable(what string, err error) error {
	switch {
	case errors.Is(err, event.ErrUnavailable):
		return err
	case isFull(err):
		return fmt.Errorf("%w: %s: %w", event.ErrFull, what, err)
	}
	return fmt.Errorf("%w: %s: %w", event.ErrUnavailable, what, err)
}

// isFull reports whether SQLite found no room. A quota and a limit on the size of files
// look like a failed write to it, and so does a disk that is full when the index of the
// log has to grow. A disk that is broken may look so, too: it is for its operator, as well.
func isFull(err error) bool {
	switch codeOf(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE:
		return true
	}
	return false
}

// codeOf is SQLite's extended result code, or 0.
func codeOf(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
