// Package sqlite is the driver for an embedded SQLite database. It needs no server and
// serves one process.
//
// All changes go through one writer (writer.go). Everything that has queued up during one
// commit goes into the next one, so new events, settled deliveries and all other changes
// share transactions. Reads have their own connections and never wait for the writer. The
// file is opened with synchronous=FULL, so a commit that has returned is on disk.
//
// A lock file ensures that only one process uses the database. Leases that Open finds belong to
// a process that has ended, so Open ends them.
//
// If an event has only one delivery, and it is stored as claimed, the delivery gets its own row
// when its first attempt ends (implicit.go).
//
// An event that was published to a tenant is stored with the deliveries that match at the tenant's
// present version, which the writer compares (publish.go, versions.go).
//
// Start with Open, then writer.go.
package sqlite

import (
	"cmp"
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

// readers is how many reads run at once. More of them would only compete for the CPU.
const readers = 4

// Options configure the driver.
type Options struct {
	// Shared opens the file even if another process uses it. It is for short commands such as
	// creating an API key. Open then ends no leases.
	Shared bool
	// Release is part of the name of the copy that is made before a file is migrated,
	// PATH.before-RELEASE. Without it, the name has the number of the first missing migration.
	Release string
	// OnCopy, if set, is called with the path and the size in bytes of that copy before it is
	// made, because that may take long.
	OnCopy func(to string, size int64)
	// OnCommit, if set, is called after each commit with the number of rows and the duration.
	OnCommit func(rows int, took time.Duration)
	// MaxSubscriptions is how many subscriptions a tenant without a limit of its own may have. 0
	// means event.MaxSubscriptionsOfTenant.
	MaxSubscriptions int
	// LogSize is the size in bytes at which the log is written back. 0 means
	// rawsqlite.DefaultLogSize.
	LogSize int64
}

// Store is the SQLite driver.
type Store struct {
	shared    bool
	lock      *flock.Flock
	reads     *sql.DB
	writer    *writer
	diskSpace store.DiskSpace
	// maxSubscriptions is the limit of a tenant that has none of its own.
	maxSubscriptions int

	cursor event.ID // where the next fair claim continues; only the writer uses it
	// unparkCursor is where the next Unpark continues; only the writer uses it.
	unparkCursor event.ID
}

var _ store.Store = (*Store)(nil)

// Open opens the file and migrates its tables. It creates the file and its directory if they
// do not exist.
func Open(ctx context.Context, path string, o Options) (_ *Store, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("create the directory of the database: %w", err)
	}
	s := &Store{shared: o.Shared, lock: flock.New(path + ".lock"), maxSubscriptions: cmp.Or(o.MaxSubscriptions, event.MaxSubscriptionsOfTenant)}
	defer func() {
		if err != nil {
			s.Close()
			err = withAdvice(path, err)
		}
	}()
	alone, err := s.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s.lock: %w", path, err)
	}
	if !alone && !o.Shared {
		return nil, fmt.Errorf("another hookferry process has %s open, and only one process can use a SQLite database: stop the other one, or choose another directory with HOOKFERRY_DATA", path)
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	if alone {
		if err := rawsqlite.CheckLog(path); err != nil {
			return nil, err
		}
	}
	// Fdatasync syncs the data and the size of the file, but not its modification time, which
	// SQLite does not need and which costs an extra commit of the file system. Systems without it
	// use fsync.
	sqlite.Fdatasync(true)
	if s.reads, err = openPool(path, readers, "deferred", "query_only(1)"); err != nil {
		return nil, err
	}
	if alone {
		if err := copyBeforeMigration(ctx, path, o); err != nil {
			return nil, err
		}
		faultpoint.Reach("upgrade: migrating")
		if err := migrate(ctx, path); err != nil {
			return nil, fmt.Errorf("migrate the tables of %s (if it is not a Hookferry database, choose another directory with HOOKFERRY_DATA): %w", path, err)
		}
	}
	faultpoint.Reach("upgrade: migrated")
	if s.writer, err = startWriter(path, o); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if !o.Shared {
		if err := s.takeOver(ctx); err != nil {
			return nil, fmt.Errorf("end the leases of the previous process in %s: %w", path, err)
		}
	}
	return s, nil
}

// createPrivate creates a file that only its owner can read, if it does not exist. Otherwise
// SQLite would create it with weaker permissions. It contains payloads and secrets.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	return f.Close()
}

// openPool opens connections. begin is the mode of their transactions. A transaction that will
// write must lock at once, because SQLite may refuse to turn a reader into a writer. With
// cell_size_check, SQLite checks each page that it reads more closely for damage.
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

// dsn returns the data source name of a file.
func dsn(path string, q url.Values) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// withPool calls use with a connection and closes it afterwards.
func withPool(path string, use func(*sql.DB) error, pragmas ...string) error {
	db, err := openPool(path, 1, "deferred", pragmas...)
	if err != nil {
		return err
	}
	return errors.Join(use(db), db.Close())
}

// inspect calls use with a read-only connection to a file that this process has not opened and
// that may belong to another program. A missing or empty file is read as an empty database.
func inspect(path string, use func(*sql.DB) error) error {
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return withPool(":memory:", use)
	}
	lock := flock.New(path + ".lock")
	alone, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock %s.lock: %w", path, err)
	}
	defer lock.Unlock()
	if alone { // SQLite would ignore everything after a damaged frame and remove the log
		if err := rawsqlite.CheckLog(path); err != nil {
			return err
		}
	}
	db, err := sql.Open("sqlite", dsn(path, url.Values{"_pragma": {"busy_timeout(5000)", "cell_size_check(1)", "query_only(1)"}}))
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	return withAdvice(path, errors.Join(use(db), db.Close()))
}

// Migrations returns the migrations that a file still needs. It does not run them.
func Migrations(ctx context.Context, path string) (names []string, err error) {
	err = inspect(path, func(db *sql.DB) error {
		p, err := provider(db)
		if err != nil {
			return err
		}
		version, err := tablesVersion(ctx, db) // asking goose would create its table
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
	// If goose can't read its version table, it assumes that the table is missing.
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

// Close completes the writes that are queued, and closes the file.
func (s *Store) Close() error {
	var errs []error
	if s.writer != nil {
		if !s.shared { // so that the next process reads fewer events when it opens the file
			_ = s.write(context.Background(), 0, (*writer).advanceFiled)
		}
		s.writer.stop()
	}
	if s.reads != nil {
		errs = append(errs, s.reads.Close())
	}
	if s.writer != nil { // the last connection that closes writes the log back and removes it
		errs = append(errs, s.writer.close())
	}
	return errors.Join(append(errs, s.lock.Unlock())...)
}

// Ping checks that the database can be read, that the writer responds, and that the last write
// found free disk space.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.diskSpace.Err(); err != nil {
		return err
	}
	if err := s.reads.PingContext(ctx); err != nil {
		return unavailable("read the database", err)
	}
	written := make(chan error, 1) // a disk that hangs must not block the caller
	go func() { written <- s.write(ctx, 0, func(*writer) error { return nil }) }()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return unavailable("write to the database", ctx.Err())
	}
}
