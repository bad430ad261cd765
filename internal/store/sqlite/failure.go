package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hookferry/hookferry/internal/event"
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

// whatToDo adds to an error of Open what its reader can do about it, where SQLite's
// words alone don't say.
func whatToDo(path string, err error) error {
	code := codeOf(err)
	switch {
	case isFull(err), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk that holds %s is full: make room and start again; nothing in it is lost: %w", path, err)
	case code&0xff == sqlite3.SQLITE_CORRUPT, code == sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s is damaged, or no file of SQLite's: keep a copy of it, with %[1]s-wal if there is one, then restore a backup, or read what can be read with `sqlite3 %[1]s .recover`: %w", path, err)
	case code&0xff == sqlite3.SQLITE_READONLY, errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s, or the directory it is in, can't be written: let the service's user own both, on a volume that is not mounted read-only: %w", path, err)
	case code&0xff == sqlite3.SQLITE_BUSY, code&0xff == sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("another program holds a lock on %s, a backup or a shell perhaps: end it, and start again: %w", path, err)
	}
	return err
}

// codeOf is SQLite's extended result code, or 0.
func codeOf(err error) int {
	var e interface { // the driver's, or that of the writer's connection
		error
		Code() int
	}
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
