package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// Backup writes a copy of the SQLite database that the settings name to a new file, and returns its
// size. A service may be running on the database, of an older release too.
func Backup(ctx context.Context, cfg config.Config, to string) (size int64, err error) {
	if cfg.Database.Engine == config.Postgres {
		return 0, fmt.Errorf("the database is %s, and PostgreSQL has its own program for backups: run `pg_dump --format=custom --file=%s \"$DATABASE_URL\"`",
			cfg.Database, shellWord(to))
	}
	where, exists := Existing(cfg)
	if !exists {
		return 0, fmt.Errorf("there is no database at %s: %s", where, anotherDatabase)
	}
	return sqlite.Backup(ctx, where, to)
}

// shellWord quotes a text so that a shell takes it as one word.
func shellWord(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
