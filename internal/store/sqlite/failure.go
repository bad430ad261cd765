package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// unavailable adds to an error what was tried. The result wraps ErrUnavailable, or ErrFull if
// there was no free disk space.
func unavailable(what string, err error) error {
	switch {
	case errors.Is(err, event.ErrUnavailable):
		return err
	case rawsqlite.IsFull(err):
		return fmt.Errorf("%w: %s: %w", event.ErrFull, what, err)
	}
	return fmt.Errorf("%w: %s: %w", event.ErrUnavailable, what, err)
}

// withAdvice adds to an error of Open what the operator can do about it, if SQLite's message
// does not say so.
func withAdvice(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case rawsqlite.IsFull(err), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk that holds %s is full: free some disk space and start again; no data is lost: %w", path, err)
	case rawsqlite.IsDamaged(err):
		return fmt.Errorf("%s is damaged, or it is not a SQLite database: keep a copy of it, and of %[1]s-wal if it exists, then restore a backup, or recover what is readable with `sqlite3 %[1]s .recover`: %w", path, err)
	case rawsqlite.IsReadOnly(err), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s or its directory can't be written: the service's user must own both, on a volume that is not mounted read-only: %w", path, err)
	case rawsqlite.IsLocked(err):
		return fmt.Errorf("another program holds a lock on %s (a backup or a shell, perhaps): stop it and start again: %w", path, err)
	}
	return err
}
