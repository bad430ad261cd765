package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"hookferry/internal/config"
	"hookferry/internal/store"
	"hookferry/internal/store/sqlite"
)

// openStore opens the database that the settings name, for this process alone.
func openStore(ctx context.Context, cfg config.Config, onCommit func(int, time.Duration)) (*store.Cached, error) {
	s, err := sqlite.Open(ctx, cfg.Database.Path, sqlite.Options{OnCommit: onCommit})
	if err != nil {
		return nil, err
	}
	return store.WithCache(s)
}

// Migrate brings the database's tables up to date and returns what it did; with
// dryRun, what it would do.
func Migrate(ctx context.Context, cfg config.Config, dryRun bool) ([]string, error) {
	names, err := sqlite.Migrations(ctx, cfg.Database.Path)
	if err != nil || dryRun {
		return names, err
	}
	s, err := sqlite.Open(ctx, cfg.Database.Path, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	return names, s.Close()
}

// nodeName names this process's leases: new at each start, because the leases of
// the process before are not its own.
func nodeName() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
