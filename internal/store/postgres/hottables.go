package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// This migration changes large tables while nodes, even of an older release, write to them. So
// it does not run in a transaction, holds locks only for moments, and may be interrupted
// anywhere and run again: each step checks whether it is already done.
//
// A column with a constant default is added without rewriting the rows. An index is created on
// the parent only, where it is invalid at first. Then it is created CONCURRENTLY on each
// partition and attached. With the last one, PostgreSQL makes the parent's index valid.
const (
	hotTablesVersion = 3
	hotTablesName    = "0003_several_deliveries_per_event"
	// lockWait is how long one try waits for a lock. Other statements queue behind it.
	lockWait = "200ms"
	// lockPause is the pause after the first try, in which other writers catch up. The pause
	// doubles up to maxLockPause, because the transaction that holds the lock may be long.
	lockPause    = time.Second
	maxLockPause = 8 * time.Second
)

// newColumns are the new columns of each table, in the order in which they are added.
var newColumns = [...]struct{ table, columns string }{
	{"events", `
		ADD COLUMN IF NOT EXISTS tenant_no       integer NOT NULL DEFAULT 0,     -- 0 is the tenant "default"
		ADD COLUMN IF NOT EXISTS delivery_count  integer NOT NULL DEFAULT -1,    -- made with it; -1: one, by release 0.1.0, with an id of its own
		ADD COLUMN IF NOT EXISTS data_at         integer NOT NULL DEFAULT 0,     -- where data lies in the payload, in bytes
		ADD COLUMN IF NOT EXISTS data_len        integer NOT NULL DEFAULT 0,     -- 0: not known
		ADD COLUMN IF NOT EXISTS metadata        text NOT NULL DEFAULT '',       -- a JSON object
		ADD COLUMN IF NOT EXISTS idempotency_key text NOT NULL DEFAULT '',
		ADD COLUMN IF NOT EXISTS traceparent     text NOT NULL DEFAULT '',
		ADD COLUMN IF NOT EXISTS retry           boolean NOT NULL DEFAULT true,  -- false: one attempt and no more
		ADD COLUMN IF NOT EXISTS erased_at       timestamptz`},
	{"deliveries", `
		ADD COLUMN IF NOT EXISTS round        integer NOT NULL DEFAULT 0,        -- one more with each resend
		ADD COLUMN IF NOT EXISTS round_from   integer NOT NULL DEFAULT 0,        -- attempts that the schedule of the round does not count
		ADD COLUMN IF NOT EXISTS stray        integer NOT NULL DEFAULT 0,        -- attempts recorded past the fence
		ADD COLUMN IF NOT EXISTS delivered_at timestamptz,                       -- the first success, once settled_at does not say it
		ADD COLUMN IF NOT EXISTS replay_id    uuid`},
	{"delivery_attempts", `
		ADD COLUMN IF NOT EXISTS url              text NOT NULL DEFAULT '',
		ADD COLUMN IF NOT EXISTS trigger          smallint NOT NULL DEFAULT 0,   -- 0 scheduled, 1 manual, 2 test, 3 replay
		ADD COLUMN IF NOT EXISTS response_headers text NOT NULL DEFAULT '',      -- a JSON object
		ADD COLUMN IF NOT EXISTS reused           boolean NOT NULL DEFAULT false,
		ADD COLUMN IF NOT EXISTS protocol         text NOT NULL DEFAULT '',
		ADD COLUMN IF NOT EXISTS tls_version      text NOT NULL DEFAULT ''`},
}

// partialIndex is an index of a partitioned table.
type partialIndex struct{ name, table, on string }

// of returns the name of the index on a partition.
func (i partialIndex) of(partition string) string {
	return partition + strings.TrimPrefix(i.name, i.table)
}

// newIndexes contain no rows for an event of the default tenant whose deliveries succeed.
var newIndexes = [...]partialIndex{
	{"events_tenant", "events", `(tenant_no, id) WHERE tenant_no <> 0`},
	{"events_without_deliveries", "events", `(id) WHERE delivery_count = 0`},
	{"deliveries_failed", "deliveries", `(id) WHERE status = 2`},
	{"deliveries_failed_of", "deliveries", `(subscription_id, id) WHERE status = 2`},
	{"deliveries_unattempted", "deliveries", `(subscription_id, id) WHERE attempts = 0 AND status >= 2`},
}

func migrateHotTables(ctx context.Context, db *sql.DB) error {
	for _, sql := range []string{
		// start is the beginning of a window, and at is the time of the last change after its end.
		`CREATE TABLE IF NOT EXISTS window_touched (start timestamptz PRIMARY KEY, at timestamptz NOT NULL)`,
		// settings is a JSON object with the settings that have no column of their own.
		`ALTER TABLE subscriptions ADD COLUMN IF NOT EXISTS settings text NOT NULL DEFAULT '{}'`,
	} {
		if err := withLock(ctx, db, sql); err != nil {
			return err
		}
	}
	for _, t := range newColumns {
		if err := withLock(ctx, db, "ALTER TABLE "+t.table+t.columns); err != nil {
			return err
		}
	}
	for _, i := range newIndexes {
		if err := i.create(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

// create creates the index. It may be called again after an interruption.
func (i partialIndex) create(ctx context.Context, db *sql.DB) error {
	if err := withLock(ctx, db, fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %s ON ONLY %s %s`, i.name, i.table, i.on)); err != nil {
		return err
	}
	return i.onPartitions(ctx, db)
}

// prepareMigration removes the operator's time limits from a connection, because migrations may
// take long. It makes the server end the transaction of a node that has stopped responding.
func prepareMigration(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = '10s'`)
	return err
}

// withLock runs a statement that needs a lock which others hold at times. It repeats the
// statement until it gets the lock. The limit and the statement are sent together, which makes
// them one transaction, so no lock is held during a round trip.
func withLock(ctx context.Context, db *sql.DB, statement string) error {
	return untilFree(ctx, statement, func() error {
		_, err := db.ExecContext(ctx, `SET LOCAL lock_timeout = '`+lockWait+`'; `+statement)
		return err
	})
}

// untilFree calls f, which runs the statement, until it does not fail for lack of a lock.
func untilFree(ctx context.Context, statement string, f func() error) error {
	for pause := lockPause; ; pause = min(2*pause, maxLockPause) {
		err := f()
		if state := sqlState(err); state != lockNotAvailable && state != deadlockDetected {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("other transactions hold a lock that is needed for %.60s…: %w", strings.Join(strings.Fields(statement), " "), ctx.Err())
		case <-time.After(pause):
		}
	}
}

// onPartitions creates the index on all partitions, including those that other nodes create
// meanwhile.
func (i partialIndex) onPartitions(ctx context.Context, db *sql.DB) error {
	for {
		var partition string
		err := db.QueryRowContext(ctx, `SELECT coalesce(min(c.relname), '') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent = $1::text::regclass AND NOT EXISTS (
				SELECT FROM pg_inherits x JOIN pg_index p ON p.indexrelid = x.inhrelid
				WHERE x.inhparent = $2::text::regclass AND p.indrelid = i.inhrelid)`, i.table, i.name).Scan(&partition)
		if err != nil {
			return err
		}
		if partition == "" {
			return i.validate(ctx, db)
		}
		err = untilFree(ctx, "index "+partition, func() error { return i.onPartition(ctx, db, partition) })
		if err != nil && sqlState(err) != undefinedTable { // another node has dropped it
			return err
		}
	}
}

// onPartition creates the index on a partition. It may be called again: an index that an earlier
// try has left unfinished is invalid and is built again. If the server still builds it for a
// process that died, one of the two builds may be cancelled because of a deadlock.
func (i partialIndex) onPartition(ctx context.Context, db *sql.DB, partition string) error {
	name := i.of(partition)
	var invalid bool
	err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid)`, name).Scan(&invalid)
	if err != nil {
		return err
	}
	if invalid {
		if _, err := db.ExecContext(ctx, `DROP INDEX CONCURRENTLY IF EXISTS `+name); err != nil {
			return err
		}
	}
	if _, err := db.ExecContext(ctx, fmt.Sprintf(`CREATE INDEX CONCURRENTLY IF NOT EXISTS %s ON %s %s`, name, partition, i.on)); err != nil {
		return err
	}
	return withLock(ctx, db, fmt.Sprintf(`ALTER INDEX %s ATTACH PARTITION %s`, i.name, name))
}

// validate makes PostgreSQL check whether every partition has the index. PostgreSQL does so by
// itself when an index is attached, but not when the last partition without one is dropped.
func (i partialIndex) validate(ctx context.Context, db *sql.DB) error {
	var attached string
	err := db.QueryRowContext(ctx, `SELECT coalesce(min(c.relname), '') FROM pg_inherits x JOIN pg_class c ON c.oid = x.inhrelid
		JOIN pg_index p ON p.indexrelid = x.inhparent WHERE p.indexrelid = $1::text::regclass AND NOT p.indisvalid`, i.name).Scan(&attached)
	if err != nil || attached == "" {
		return err
	}
	return withLock(ctx, db, fmt.Sprintf(`ALTER INDEX %s ATTACH PARTITION %s`, i.name, attached))
}
