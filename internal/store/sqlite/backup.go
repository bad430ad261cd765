package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// A backup copies the pages of a database in one read transaction, log and all, as the copy before
// an upgrade does. The transaction is what lets it end: without it, SQLite's backup begins again
// whenever another process writes. VACUUM INTO reads in one transaction too, and its result has no
// free pages, but it writes every row and index again, which takes longer and more CPU. That counts
// because the log can't be reset while a backup reads, so it grows by what is written meanwhile.

// partial is what the name of a backup ends in until it is whole.
const partial = ".partial"

// Backup writes a copy of a database to a new file, and returns its size. A service may be running
// on the database, and may start or stop meanwhile. The copy holds everything that was committed before the
// call. It gets its name when it is whole, checked and on disk; a call that fails leaves nothing.
func Backup(ctx context.Context, path, to string) (size int64, err error) {
	if err := mustBeFree(to); err != nil {
		return 0, err
	}
	unlock, err := lockBackup(to)
	if err != nil {
		return 0, err
	}
	defer unlock()
	temporary := to + partial
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("remove what a backup that was broken off has left: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary) // the next backup to this file does it, if this can't
		}
	}()
	if size, err = backUpTo(ctx, path, temporary); err != nil {
		return 0, err
	}
	if err := checkBackup(ctx, path, temporary); err != nil {
		return 0, err
	}
	return size, publish(temporary, to)
}

// mustBeFree refuses a name that something has.
func mustBeFree(to string) error {
	_, err := os.Lstat(to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for %s: %w", to, err)
	}
	return taken(to)
}

func taken(to string) error {
	return fmt.Errorf("%s exists already, and a backup overwrites nothing: choose another name, or move it away", to)
}

// lockBackup lets one process at a time write to a temporary name.
func lockBackup(to string) (unlock func(), err error) {
	lock := flock.New(to + partial + ".lock")
	switch alone, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("write in the directory of %s: %w", to, err)
	case !alone:
		return nil, fmt.Errorf("another backup to %s is under way: wait for it, or choose another name", to)
	}
	return func() {
		_ = os.Remove(lock.Path())
		_ = lock.Unlock()
	}, nil
}

// backUpTo copies a database into a new file that only its owner can read.
func backUpTo(ctx context.Context, path, temporary string) (size int64, err error) {
	if err := checkLog(path); err != nil {
		return 0, whatToDo(path, err)
	}
	db, err := sql.Open("sqlite", dsn(path, url.Values{"_pragma": {"busy_timeout(5000)", "cell_size_check(1)", "query_only(1)"}}))
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := mustFit(ctx, db, path, filepath.Dir(temporary)); err != nil {
		return 0, whatToDo(path, err)
	}
	if err := keepPrivate(temporary); err != nil {
		return 0, err
	}
	if err := backUp(ctx, db, temporary); err != nil {
		return 0, copyFault(path, temporary, err)
	}
	info, err := os.Stat(temporary)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// checkLog checks the log of a database that no service holds: SQLite would leave out what is behind
// a damage. It keeps the lock no longer than that, so that a service can start during a backup.
func checkLog(path string) error {
	lock := flock.New(path + ".lock")
	alone, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock %s.lock: %w", path, err)
	}
	if !alone {
		return nil
	}
	return errors.Join(rawsqlite.CheckLog(path), lock.Unlock())
}

// mustFit refuses a database that is not Hookferry's, and one that does not fit into the free space
// of a directory.
func mustFit(ctx context.Context, db *sql.DB, path, dir string) error {
	version, err := tablesVersion(ctx, db)
	if err != nil {
		return fmt.Errorf("read which migrations %s has: %w", path, err)
	}
	if version == 0 {
		return fmt.Errorf("%s has no tables of Hookferry's: there is nothing to back up", path)
	}
	var size int64 // with what is in the log
	if err := db.QueryRowContext(ctx, `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`).Scan(&size); err != nil {
		return err
	}
	if free, known := freeSpace(dir); known && free < size {
		return fmt.Errorf("a backup of %s needs %s of disk space in %s, and %s are free: make room, or choose another directory", path, megabytes(size), dir, megabytes(free))
	}
	return nil
}

// copyFault says which of the two files a copy failed for.
func copyFault(path, temporary string, err error) error {
	if rawsqlite.IsFull(err) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk that holds %s is full: make room, or choose another directory: %w", filepath.Dir(temporary), err)
	}
	return whatToDo(path, fmt.Errorf("copy %s to %s: %w", path, temporary, err))
}

// checkBackup has SQLite examine a copy: one of a damaged database is no backup. It leaves no trace
// beside the copy, because it is opened as a file that no program changes.
func checkBackup(ctx context.Context, path, temporary string) (err error) {
	db, err := sql.Open("sqlite", dsn(temporary, url.Values{"immutable": {"1"}, "_pragma": {"cell_size_check(1)"}}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("check the copy of %s: %w", path, err)
	}
	defer func() { _ = tx.Rollback() }() // it only reads
	faults, err := integrityCheck(ctx, tx)
	if rawsqlite.IsDamaged(err) {
		faults, err = append(faults, err.Error()), nil
	}
	if err != nil {
		return fmt.Errorf("check the copy of %s: %w", path, err)
	}
	if len(faults) == 1 && faults[0] == "ok" {
		return nil
	}
	first := strings.Join(strings.Fields(strings.Join(append(faults, "no result"), "\n")), " ")
	return fmt.Errorf("the copy of %s is damaged, so it was deleted: run `hookferry doctor` to find out whether the database is damaged, and keep the backups that you have: %.200s", path, first)
}

// publish gives a file its name, on disk too, unless something has that name by now. A rename
// would replace it; a link does not. File systems without links get a look and a rename.
func publish(from, to string) error {
	f, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	switch err := os.Link(from, to); {
	case err == nil:
		_ = os.Remove(from) // it is whole, by another name
	case errors.Is(err, fs.ErrExist):
		return taken(to)
	default:
		if err := mustBeFree(to); err != nil {
			return err
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return syncDirectory(filepath.Dir(to))
}
