// Package sqlite is the store on an embedded SQLite file: no server, one process.
//
// Everything that changes the file goes through one writer (writer.go), which
// puts what has queued up during one commit into the next: new events, settled
// deliveries and all else share transactions. Reads have connections of their
// own and never wait for the writer. The file is opened with synchronous=FULL: a
// commit that returned is on disk.
//
// One process holds the file, by a lock beside it. Leases are kept all the same,
// because the dispatcher works by them; those found at Open belong to a process
// that is no more and are ended.
//
// The only delivery of an event, if it is stored as claimed, has no row of its own until its
// first attempt has ended (implicit.go).
//
// Start with Open, then writer.go.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // also the database/sql driver "sqlite"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// readers is how many reads run at once. More would only fight for the cores.
const readers = 4

// Options says how the file is opened.
type Options struct {
	// Shared opens the file beside a process that holds it, for short commands such
	// as making an API key. It ends no leases.
	Shared bool
	// Release names the copy that is made before this release migrates a file: PATH.before-RELEASE.
	// Without it, the copy has the number of the first migration that the file needs.
	Release string
	// OnCopy, if set, is told when that copy begins, which takes its time: where to, and how many bytes.
	OnCopy func(to string, size int64)
	// OnCommit, if set, is told of each commit: how many rows it wrote and how long it took.
	OnCommit func(rows int, took time.Duration)
	// LogSize is the size in bytes at which the log is written back, if not rawsqlite.DefaultLogSize.
	LogSize int64
}

// Store is the SQLite driver.
type Store struct {
	shared    bool
	lock      *flock.Flock
	reads     *sql.DB
	writer    *writer
	diskSpace store.DiskSpace
	cursor    event.ID // where the next fair claim goes on; only the writer touches it
	// unparkCursor is where the next Unpark goes on; only the writer touches it.
	unparkCursor event.ID
}

var _ store.Store = (*Store)(nil)

// Open opens the file, which it makes if there is none, along with its directory,
// and brings its tables up to date.
func Open(ctx context.Context, path string, o Options) (_ *Store, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the database: %w", err)
	}
	s := &Store{shared: o.Shared, lock: flock.New(path + ".lock")}
	defer func() {
		if err != nil {
			s.Close()
			err = whatToDo(path, err)
		}
	}()
	alone, err := s.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s.lock: %w", path, err)
	}
	if !alone && !o.Shared {
		return nil, fmt.Errorf("another hookferry process holds %s: one process serves one SQLite file; stop the other, or name another directory with HOOKFERRY_DATA", path)
	}
	if err := keepPrivate(path); err != nil {
		return nil, err
	}
	if alone {
		if err := rawsqlite.CheckLog(path); err != nil {
			return nil, err
		}
	}
	// It syncs the file's size and data, and not its time of change, which is of no use here and
	// costs a commit of the file system's own. Some systems have no such call: fsync is as good.
	sqlite.Fdatasync(true)
	if s.reads, err = openPool(path, readers, "deferred", "query_only(1)"); err != nil {
		return nil, err
	}
	if alone {
		if err := keepCopy(ctx, path, o); err != nil {
			return nil, err
		}
		faultpoint.Reach("upgrade: migrating")
		if err := migrate(ctx, path); err != nil {
			return nil, fmt.Errorf("bring the tables of %s up to date (if that is no file of Hookferry's, name another directory with HOOKFERRY_DATA): %w", path, err)
		}
	}
	faultpoint.Reach("upgrade: migrated")
	if s.writer, err = startWriter(path, o); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if !o.Shared {
		if err := s.takeOver(ctx); err != nil {
			return nil, fmt.Errorf("end the leases of the process before in %s: %w", path, err)
		}
	}
	return s, nil
}

// keepPrivate makes the file readable by its owner alone before SQLite makes it
// for all: payloads and secrets are in it.
func keepPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	return f.Close()
}

// openPool opens connections whose transactions begin as begin says: one that is to
// write must lock at once, because SQLite refuses to turn a reader into a writer. They look at each
// page that they read for damage, a little closer than SQLite does by itself.
func openPool(path string, size int, begin string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {begin}, "_pragma": append([]string{"busy_timeout(5000)", "journal_mode(WAL)", "cell_size_check(1)"}, pragmas...)}
	db, err := sql.Open("sqlite", dsn(path, q))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// dsn names a file to the driver.
func dsn(path string, q url.Values) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// withPool has use work with a connection that is then closed.
func withPool(path string, use func(*sql.DB) error, pragmas ...string) error {
	db, err := openPool(path, 1, "deferred", pragmas...)
	if err != nil {
		return err
	}
	return errors.Join(use(db), db.Close())
}

// look has use read a file that is not opened otherwise, which may be another program's: nothing
// is written to it. One that does not exist or holds nothing is an empty database.
func look(path string, use func(*sql.DB) error) error {
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return withPool(":memory:", use)
	}
	lock := flock.New(path + ".lock")
	alone, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock %s.lock: %w", path, err)
	}
	defer lock.Unlock()
	if alone { // SQLite would leave out what is behind a damage, and then remove the log
		if err := rawsqlite.CheckLog(path); err != nil {
			return err
		}
	}
	db, err := sql.Open("sqlite", dsn(path, url.Values{"_pragma": {"busy_timeout(5000)", "cell_size_check(1)", "query_only(1)"}}))
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	return whatToDo(path, errors.Join(use(db), db.Close()))
}

// Migrations returns the migrations that a file still needs, without making them.
func Migrations(ctx context.Context, path string) (names []string, err error) {
	err = look(path, func(db *sql.DB) error {
		p, err := provider(db)
		if err != nil {
			return err
		}
		version, err := tablesVersion(ctx, db) // and not goose, which would make its table
		if err != nil {
			return fmt.Errorf("read which migrations %s has: %w", path, err)
		}
		for _, source := range p.ListSources() {
			if source.Version > version {
				names = append(names, filepath.Base(source.Path))
			}
		}
		return nil
	})
	return names, err
}

func migrate(ctx context.Context, path string) error {
	db, err := openPool(path, 1, "immediate", "synchronous(FULL)")
	if err != nil {
		return err
	}
	defer db.Close()
	p, err := provider(db)
	if err != nil {
		return err
	}
	if _, err = p.Up(ctx); err == nil {
		return nil
	}
	// The library takes a table of versions that it can't read for one that is missing.
	if read := db.QueryRowContext(ctx, "SELECT count(*) FROM goose_db_version").Scan(new(int)); rawsqlite.IsDamaged(read) {
		return errors.Join(read, err)
	}
	return err
}

func provider(db *sql.DB) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, dir)
}

// Close writes what was asked for before, and lets go of the file.
func (s *Store) Close() error {
	var errs []error
	if s.writer != nil {
		if !s.shared { // so that the next process has less to look through; it finds out by itself, too
			_ = s.write(context.Background(), 0, (*writer).noteFiled)
		}
		s.writer.stop()
	}
	if s.reads != nil {
		errs = append(errs, s.reads.Close())
	}
	if s.writer != nil { // the last one writes the log back and removes it
		errs = append(errs, s.writer.close())
	}
	return errors.Join(append(errs, s.lock.Unlock())...)
}

// Ping makes sure that the file can be read and written, and that the last write
// found room.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.diskSpace.Err(); err != nil {
		return err
	}
	if err := s.reads.PingContext(ctx); err != nil {
		return unavailable("read the database", err)
	}
	written := make(chan error, 1) // a disk that hangs would hold up the caller
	go func() { written <- s.write(ctx, 0, func(*writer) error { return nil }) }()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return unavailable("write to the database", ctx.Err())
	}
}
