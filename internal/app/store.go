package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// Release is the version of this source tree. CHANGELOG.md has an entry for it.
const Release = "0.2.0-dev"

// storeHooks are called when a store commits or copies.
type storeHooks struct {
	onCommit func(rows int, took time.Duration)
	onCopy   func(to string, size int64)
}

// openStore opens the database that the settings name.
func openStore(ctx context.Context, cfg config.Config, hooks storeHooks) (store.Store, error) {
	if cfg.Database.Engine == config.Postgres {
		return postgres.Open(ctx, postgres.Options{
			URL: string(cfg.Database.URL), ReadURL: string(cfg.ReadDatabase.URL), OnCommit: hooks.onCommit,
			MaxSubscriptions: cfg.MaxSubscriptions,
		})
	}
	return sqlite.Open(ctx, cfg.Database.Path, sqlite.Options{
		Release: Release, MaxSubscriptions: cfg.MaxSubscriptions, OnCommit: hooks.onCommit, OnCopy: hooks.onCopy,
	})
}

// OpenStore opens the database that the settings name, as the service does. A SQLite database then
// belongs to this process alone.
func OpenStore(ctx context.Context, cfg config.Config) (store.Store, error) {
	return openStore(ctx, cfg, storeHooks{})
}

// OpenForCommand opens the database for a short command. A service may be running on it.
func OpenForCommand(ctx context.Context, cfg config.Config) (store.Store, error) {
	if cfg.Database.Engine == config.Postgres {
		return openStore(ctx, cfg, storeHooks{})
	}
	return sqlite.Open(ctx, cfg.Database.Path, sqlite.Options{Shared: true, Release: Release})
}

// OpenExisting is OpenForCommand for a command that needs an existing database: it creates no
// database, directory or table. Its error says where it looked.
func OpenExisting(ctx context.Context, cfg config.Config) (store.Store, error) {
	where, exists := Existing(cfg)
	if !exists {
		return nil, fmt.Errorf("there is no database at %s: %s; `hookferry serve` and `hookferry keys create` create one", where, anotherDatabase)
	}
	switch missing, err := missingMigrations(ctx, cfg); {
	case err != nil:
		return nil, err
	case len(missing) > 0:
		return nil, fmt.Errorf("%s lacks tables of this release: run `hookferry migrate`, or start `hookferry serve`, to create them; or %s", where, anotherDatabase)
	}
	if cfg.Database.Engine == config.Postgres {
		return postgres.Open(ctx, postgres.Options{URL: string(cfg.Database.URL), ReadURL: string(cfg.ReadDatabase.URL), Existing: true})
	}
	return OpenForCommand(ctx, cfg)
}

const anotherDatabase = "name another database with DATABASE_URL, or another directory with --data or HOOKFERRY_DATA"

// Existing returns the location of the database that the settings name, for people, and whether it
// exists. It checks only for the file of a SQLite database.
func Existing(cfg config.Config) (where string, exists bool) {
	if cfg.Database.Engine == config.Postgres {
		return cfg.Database.String(), true
	}
	where = cfg.Database.Path
	if absolute, err := filepath.Abs(where); err == nil {
		where = absolute
	}
	_, err := os.Stat(where)
	return where, !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
}

// Tidy vacuums a database that was just filled and writes it back to disk, which PostgreSQL would
// otherwise do some time later. SQLite does it as it writes.
func Tidy(ctx context.Context, cfg config.Config) error {
	if cfg.Database.Engine != config.Postgres {
		return nil
	}
	return postgres.Tidy(ctx, string(cfg.Database.URL))
}

// withStore calls use with the database, which must exist. A service may be running on it.
func withStore(ctx context.Context, cfg config.Config, use func(store.Store) error) error {
	s, err := OpenExisting(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(use(s), s.Close())
}

// Migrate brings the database's tables up to date and returns the migrations that it applied, or
// with dryRun those that it would apply.
func Migrate(ctx context.Context, cfg config.Config, dryRun bool) ([]string, error) {
	names, err := missingMigrations(ctx, cfg)
	if err != nil || dryRun {
		return names, err
	}
	s, err := openStore(ctx, cfg, storeHooks{})
	if err != nil {
		return nil, err
	}
	return names, s.Close()
}

// CopyBeforeMigrate returns where Migrate copies the database before it changes its tables, or ""
// if it makes no copy: PostgreSQL has backups of its own.
func CopyBeforeMigrate(ctx context.Context, cfg config.Config) (string, error) {
	if cfg.Database.Engine == config.Postgres {
		return "", nil
	}
	return sqlite.CopyPath(ctx, cfg.Database.Path, Release)
}

func missingMigrations(ctx context.Context, cfg config.Config) ([]string, error) {
	if cfg.Database.Engine == config.Postgres {
		return postgres.Migrations(ctx, string(cfg.Database.URL))
	}
	return sqlite.Migrations(ctx, cfg.Database.Path)
}

// nodeName returns a name for this process's leases. It is new at each start, because the leases of
// an earlier process are not this one's.
func nodeName() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
