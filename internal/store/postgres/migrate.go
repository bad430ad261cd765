package postgres

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the migrations that a database still needs. It does not run them.
func Migrations(ctx context.Context, url string) ([]string, error) {
	db, p, err := provider(url)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var exists bool
	if err := db.QueryRowContext(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`).Scan(&exists); err != nil {
		return nil, fail("read which migrations the database has", err)
	}
	var names []string
	for _, source := range p.ListSources() {
		names = append(names, nameOf(source))
	}
	if !exists { // asking goose would create its table
		return names, nil
	}
	status, err := p.Status(ctx)
	if err != nil {
		return nil, fail("read which migrations the database has", err)
	}
	names = names[:0]
	for _, m := range status {
		if m.State == goose.StatePending {
			names = append(names, nameOf(m.Source))
		}
	}
	return names, nil
}

// goMigrations returns the migrations that are Go functions.
func goMigrations() []*goose.Migration {
	return []*goose.Migration{
		goose.NewGoMigration(hotTablesVersion, &goose.GoFunc{RunDB: migrateHotTables}, nil),
		goose.NewGoMigration(pauseAndHealthVersion, &goose.GoFunc{RunDB: migratePauseAndHealth}, nil),
		goose.NewGoMigration(tenantsVersion, &goose.GoFunc{RunDB: migrateTenants}, nil),
	}
}

// nameOf returns the file name of a migration, or the name of one that is a Go function.
func nameOf(s *goose.Source) string {
	switch s.Version {
	case hotTablesVersion:
		return hotTablesName
	case pauseAndHealthVersion:
		return pauseAndHealthName
	case tenantsVersion:
		return tenantsName
	}
	return filepath.Base(s.Path)
}

// migrate runs the missing migrations, each SQL file in a transaction. A lock makes other nodes
// wait.
func migrate(ctx context.Context, url string) error {
	db, p, err := provider(url)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := p.Up(ctx); err != nil {
		return fail("migrate the tables", err)
	}
	return nil
}

func provider(url string) (*sql.DB, *goose.Provider, error) {
	cfg, err := poolConfig(url, 1)
	if err != nil {
		return nil, nil, err
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, nil, err
	}
	// The lock is tried once a second for up to five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300), lock.WithUnlockTimeout(1, 10))
	if err != nil {
		return nil, nil, err
	}
	db := stdlib.OpenDB(*cfg.ConnConfig, stdlib.OptionAfterConnect(prepareMigration))
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithSessionLocker(locker), goose.WithGoMigrations(goMigrations()...))
	if err != nil {
		return nil, nil, fmt.Errorf("read the migrations: %w", err)
	}
	return db, p, nil
}
