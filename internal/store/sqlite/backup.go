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

// A backup copies the pages of a database, with the content of its log, in one read transaction.
// Without the transaction, SQLite's backup would begin again whenever another process writes, and
// might never end. VACUUM INTO reads in one transaction too, and its result has no free pages. But
// it writes every row and index again, which takes more time and CPU. The time matters, because the
// log can't start again while a backup reads, so it grows by everything that is written meanwhile.

// partial is the suffix of a backup's name until the backup is complete.
const partial = ".partial"

// Backup writes a copy of a database to a new file, and returns its size. A service may be running
// on the database, and may start or stop meanwhile. The copy contains everything that was committed
// before the call. It gets its name once it is complete, checked and on disk. If Backup fails, it
// leaves no file behind.
func Backup(ctx context.Context, path, to string) (size int64, err error) {
	if err := checkAbsent(to); err != nil {
		return 0, err
	}
	unlock, err := lockBackup(to)
	if err != nil {
		return 0, err
	}
	defer unlock()
	temporary := to + partial
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("remove the remains of an interrupted backup: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary) // if this fails, the next backup to this file does it
		}
	}()
	if size, err = backUpTo(ctx, path, temporary); err != nil {
		return 0, err
	}
	if err := checkBackup(ctx, path, temporary); err != nil {
		return 0, err
	}
	return size, renameNew(temporary, to)
}

// checkAbsent returns an error if a file, directory or link has the name.
func checkAbsent(to string) error {
	_, err := os.Lstat(to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check whether %s exists: %w", to, err)
	}
	return existsError(to)
}

func existsError(to string) error {
	return fmt.Errorf("%s already exists, and a backup never overwrites a file: choose another name, or move the file away", to)
}

// lockBackup ensures that only one process at a time writes to a temporary name.
func lockBackup(to string) (unlock func(), err error) {
	lock := flock.New(to + partial + ".lock")
	switch alone, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("write to the directory of %s: %w", to, err)
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
		return 0, withAdvice(path, err)
	}
	db, err := sql.Open("sqlite", dsn(path, url.Values{"_pragma": {"busy_timeout(5000)", "cell_size_check(1)", "query_only(1)"}}))
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := checkSource(ctx, db, path, filepath.Dir(temporary)); err != nil {
		return 0, withAdvice(path, err)
	}
	if err := createPrivate(temporary); err != nil {
		return 0, err
	}
	if err := backUp(ctx, db, temporary); err != nil {
		return 0, copyError(path, temporary, err)
	}
	info, err := os.Stat(temporary)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// checkLog checks the log of a database that no service uses, because SQLite would ignore everything
// after a damaged frame. It releases the lock at once, so that a service can start during a backup.
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

// checkSource returns an error if a database is not Hookferry's, or if a directory has too little
// free disk space for a copy of it.
func checkSource(ctx context.Context, db *sql.DB, path, dir string) error {
	version, err := tablesVersion(ctx, db)
	if err != nil {
		return fmt.Errorf("read which migrations %s has: %w", path, err)
	}
	if version == 0 {
		return fmt.Errorf("%s has no Hookferry tables, so there is nothing to back up", path)
	}
	var size int64 // with the content of the log
	if err := db.QueryRowContext(ctx, `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`).Scan(&size); err != nil {
		return err
	}
	if free, known := freeSpace(dir); known && free < size {
		return fmt.Errorf("a backup of %s needs %s of disk space in %s, and %s are free: free some disk space, or choose another directory", path, megabytes(size), dir, megabytes(free))
	}
	return nil
}

// copyError returns an error that says which of the two files was at fault.
func copyError(path, temporary string, err error) error {
	if rawsqlite.IsFull(err) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk that holds %s is full: free some disk space, or choose another directory: %w", filepath.Dir(temporary), err)
	}
	return withAdvice(path, fmt.Errorf("copy %s to %s: %w", path, temporary, err))
}

// checkBackup runs SQLite's integrity check on a copy, because a copy of a damaged database is no
// backup. It opens the copy as immutable, so SQLite creates no other file beside it.
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
	return fmt.Errorf("the copy of %s is damaged, so it was deleted: run `hookferry doctor` to find out whether the database is damaged, and keep your earlier backups: %.200s", path, first)
}

// renameNew renames a file and syncs the change to the disk. It fails if the new name exists. It
// uses a link, because a rename would replace the existing file. If the file system has no links,
// renameNew checks first and then renames.
func renameNew(from, to string) error {
	f, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	switch err := os.Link(from, to); {
	case err == nil:
		_ = os.Remove(from) // if this fails, a second link to the complete file remains
	case errors.Is(err, fs.ErrExist):
		return existsError(to)
	default:
		if err := checkAbsent(to); err != nil {
			return err
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return syncDirectory(filepath.Dir(to))
}
