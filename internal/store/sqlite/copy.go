package sqlite

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"

	"github.com/hookferry/hookferry/internal/faultpoint"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// Before Open migrates a file that has Hookferry's tables, it copies the file including its log.
// The copy is the way back to the previous release. It is written under a temporary name, synced
// and then renamed, so a file with the name of a copy is always complete.
//
// An interrupted start may leave a copy behind. If the copy has fewer migrations than the file, it
// is the state before the upgrade, so it is kept: a new copy would not be a way back. If it has as
// many migrations, it is kept if it equals the file byte for byte. Otherwise it is from an earlier
// upgrade that was undone, and the file has changed since, so a new copy replaces it.

// upgrade describes a file that Open migrates, and the copy that Open makes of it before.
type upgrade struct {
	version int64  // of the tables: the last migration that the file has
	size    int64  // of the file, with the content of its log
	copy    string // the path of the copy, or "" if none is needed
}

// CopyPath returns where Open will copy the file before it migrates it, or "" if it makes no copy
// because the file is new or up to date.
func CopyPath(ctx context.Context, path, release string) (to string, err error) {
	err = inspect(path, func(db *sql.DB) error {
		u, err := readUpgrade(ctx, db, path, release)
		to = u.copy
		return err
	})
	return to, err
}

// readUpgrade reads the state of a file's tables. It changes nothing.
func readUpgrade(ctx context.Context, db *sql.DB, path, release string) (u upgrade, err error) {
	if u.version, err = tablesVersion(ctx, db); err != nil {
		return u, fmt.Errorf("read which migrations %s has: %w", path, err)
	}
	missing, err := firstMissing(u.version)
	if u.version == 0 || missing == 0 || err != nil {
		return u, err
	}
	u.copy = path + ".before-" + cmp.Or(release, fmt.Sprintf("%04d", missing))
	err = db.QueryRowContext(ctx, `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`).Scan(&u.size)
	return u, err
}

// tablesVersion returns the last migration that a database has, or 0 if it has none of Hookferry's
// tables.
func tablesVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	var known bool
	err = db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'goose_db_version')`).Scan(&known)
	if err != nil || !known {
		return 0, err
	}
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&version)
	return version, err
}

// firstMissing returns the first migration after version, or 0.
func firstMissing(version int64) (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql") // in order
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if n, err := goose.NumericComponent(name); err != nil || n > version {
			return n, err
		}
	}
	return 0, nil
}

// copyBeforeMigration copies a file that is about to be migrated. It must be called before this
// process has a connection to the file, because closing a file releases all locks of the process
// on it, including SQLite's.
func copyBeforeMigration(ctx context.Context, path string, o Options) error {
	u := upgrade{}
	if err := withPool(path, func(db *sql.DB) (err error) { // closing the pool writes the log back
		u, err = readUpgrade(ctx, db, path, o.Release)
		return err
	}); err != nil || u.copy == "" {
		return err
	}
	kept, err := u.isKept(ctx, path)
	if err != nil || kept {
		return err
	}
	if o.OnCopy != nil {
		o.OnCopy(u.copy, u.size)
	}
	return u.make(ctx, path)
}

// isKept reports whether there is a copy that must be kept.
func (u *upgrade) isKept(ctx context.Context, path string) (bool, error) {
	if _, err := os.Stat(u.copy); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	version, err := versionOfCopy(ctx, u.copy)
	if err != nil {
		return false, fmt.Errorf("read %s, the copy that an earlier start made (if it is another file, move it away): %w", u.copy, err)
	}
	if version != u.version {
		return version != 0 && version < u.version, nil
	}
	same, err := sameContent(path, u.copy)
	if err != nil {
		return false, fmt.Errorf("compare %s with %s, which an earlier start made: %w", path, u.copy, err)
	}
	return same, nil
}

// versionOfCopy reads the version of a copy. It opens the file as immutable and without a log, so
// that it leaves no other files behind.
func versionOfCopy(ctx context.Context, path string) (int64, error) {
	db, err := sql.Open("sqlite", dsn(path, url.Values{"immutable": {"1"}}))
	if err != nil {
		return 0, err
	}
	defer db.Close()
	return tablesVersion(ctx, db)
}

// sameContent reports whether two databases without a log are equal, except for the counters in
// their headers, which SQLite changes with each write.
func sameContent(path, other string) (bool, error) {
	const header = 100
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		return false, nil // another program has the file open
	}
	a, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := os.Open(other)
	if err != nil {
		return false, err
	}
	defer b.Close()
	for _, f := range []*os.File{a, b} {
		if _, err := f.Seek(header, io.SeekStart); err != nil {
			return false, err
		}
	}
	return equal(a, b)
}

// equal reports whether two readers return the same bytes.
func equal(a, b io.Reader) (bool, error) {
	const piece = 1 << 20
	ours, theirs := bufio.NewReaderSize(a, piece), bufio.NewReaderSize(b, piece)
	for {
		x, errX := ours.Peek(piece)
		y, errY := theirs.Peek(piece)
		if !bytes.Equal(x, y) {
			return false, nil
		}
		for _, err := range []error{errX, errY} {
			if err != nil && !errors.Is(err, io.EOF) {
				return false, err
			}
		}
		if len(x) < piece {
			return true, nil
		}
		_, _ = ours.Discard(piece) // can't fail after Peek
		_, _ = theirs.Discard(piece)
	}
}

// make makes the copy. If it fails, it leaves nothing behind.
func (u *upgrade) make(ctx context.Context, path string) (err error) {
	temporary := path + ".copying" // the same for each release, so that the next start finds what a killed one left
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the incomplete copy of %s that an earlier start left: %w", path, err)
	}
	if free, known := freeSpace(filepath.Dir(path)); known && free < u.needed() {
		return u.diskFull(path, nil)
	}
	defer func() {
		if err == nil {
			return
		}
		_ = os.Remove(temporary) // if this fails, the next start does it
		if rawsqlite.IsFull(err) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			err = u.diskFull(path, err)
		}
	}()
	if err := createPrivate(temporary); err != nil {
		return err
	}
	if err := withPool(path, func(db *sql.DB) error { return backUp(ctx, db, temporary) }); err != nil {
		return fmt.Errorf("copy %s to %s: %w", path, temporary, err)
	}
	faultpoint.Reach("upgrade: written")
	if err := replace(temporary, u.copy); err != nil {
		return err
	}
	faultpoint.Reach("upgrade: copied")
	return nil
}

// needed returns how much disk space the copy and the migrations need. The migrations write little
// compared to the file, because columns are added without rewriting the rows.
func (u *upgrade) needed() int64 { return u.size + u.size/16 }

// diskFull returns the error for too little disk space. It does not wrap its cause, because
// withAdvice would add advice a second time.
func (u *upgrade) diskFull(path string, cause error) error {
	dir, free := filepath.Dir(path), "too little is"
	if n, known := freeSpace(dir); known {
		free = megabytes(n) + " are"
	}
	err := fmt.Errorf("this release copies %s to %s before it migrates the tables: that needs %s of disk space in %s, and %s free. Free some disk space and start again, or start the previous release: nothing has changed yet",
		path, filepath.Base(u.copy), megabytes(u.needed()), dir, free)
	if cause != nil {
		err = fmt.Errorf("%w (%v)", err, cause)
	}
	return err
}

// megabytes formats a size. It rounds up, so that the stated disk space is enough.
func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64((n+99_999)/100_000)/10) }

// backUp copies a database, with the content of its log, into an empty file.
func backUp(ctx context.Context, db *sql.DB, to string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Without a transaction, the copy would start again whenever another program writes.
	if _, err := conn.ExecContext(ctx, `BEGIN; SELECT 1 FROM sqlite_master`); err != nil {
		return err
	}
	return errors.Join(conn.Raw(func(driver any) error {
		source, ok := driver.(interface {
			NewBackup(to string) (*sqlite.Backup, error)
		})
		if !ok {
			return fmt.Errorf("the driver, a %T, can't make backups", driver)
		}
		// The file is synced once it is complete. An incomplete one is of no use.
		backup, err := source.NewBackup(dsn(to, url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)"}}))
		if err != nil {
			return err
		}
		return errors.Join(copyPages(ctx, backup), backup.Finish())
	}), rollBack(conn))
}

// copyPages copies some pages at a time, and returns when ctx ends.
func copyPages(ctx context.Context, backup *sqlite.Backup) error {
	const pages = 1024
	for more, err := true, error(nil); more; {
		if more, err = backup.Step(pages); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		faultpoint.Reach("upgrade: copying")
	}
	return nil
}

func rollBack(conn *sql.Conn) error {
	_, err := conn.ExecContext(context.Background(), `ROLLBACK`)
	return err
}

// replace renames a file and syncs the change to the disk.
func replace(from, to string) error {
	f, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(to))
}

func syncDirectory(path string) error {
	if runtime.GOOS == "windows" { // it can't sync directories
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
