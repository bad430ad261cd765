package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// Target is a database that another one is copied into. The table copied_from records the source, and
// how far the copy has come. It is written in the transaction of each batch, so a copy that was
// interrupted continues after the last row that was written.
type Target struct {
	store *Store
	run   string // names this run in copied_from: a later run takes the copy over
	// windows are those that are known to have partitions.
	windows map[time.Time]bool
}

// Copied is what a target notes of the copy that it holds.
type Copied struct {
	Fingerprint string // of the source; "" if there is no copy yet
	Ended       bool
	Step        string // the one that goes on
	Cursor      []byte
}

const (
	makeCopiedSQL = `CREATE TABLE IF NOT EXISTS copied_from (
		one         boolean PRIMARY KEY DEFAULT true CHECK (one),
		source      text NOT NULL,
		fingerprint text NOT NULL,      -- of the source
		run         text NOT NULL,      -- who copies at present
		step        text NOT NULL,
		cursor      bytea,              -- behind which the step goes on; NULL: at its beginning
		began_at    timestamptz NOT NULL DEFAULT now(),
		ended_at    timestamptz)`
	readCopiedSQL = `SELECT fingerprint, step, cursor, ended_at IS NOT NULL FROM copied_from`
	takeOverSQL   = `UPDATE copied_from SET run = $1`
	beginCopySQL  = `INSERT INTO copied_from (source, fingerprint, run, step) VALUES ($1, $2, $3, '') ON CONFLICT (one) DO UPDATE
		SET source = excluded.source, fingerprint = excluded.fingerprint, run = excluded.run, step = '', cursor = NULL, began_at = now(), ended_at = NULL`
	noteCopySQL = `UPDATE copied_from SET step = $2, cursor = $3, ended_at = CASE WHEN $4 THEN now() END WHERE run = $1`
)

// OpenTarget opens a database that is not in use, and brings its tables up to date. It refuses one
// that a node is connected to, or that has anything which no copy has written.
func OpenTarget(ctx context.Context, url string) (_ *Target, err error) {
	if err := mustBeUnused(ctx, url); err != nil {
		return nil, err
	}
	s, err := Open(ctx, Options{URL: url})
	if err != nil {
		return nil, err
	}
	t := &Target{store: s, run: rand.Text(), windows: make(map[time.Time]bool)}
	if _, err := s.pool.Exec(ctx, makeCopiedSQL); err != nil {
		return nil, errors.Join(fail("make the table copied_from", err), s.Close())
	}
	if _, err := s.pool.Exec(ctx, takeOverSQL, t.run); err != nil {
		return nil, errors.Join(fail("go on with the copy", err), s.Close())
	}
	return t, nil
}

// Close ends the connections.
func (t *Target) Close() error { return t.store.Close() }

// mustBeUnused looks before anything is changed.
func mustBeUnused(ctx context.Context, url string) error {
	cfg, err := poolConfig(url, 1)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return fail("connect to PostgreSQL", err)
	}
	defer closeSoon(conn)
	if err := awaitNoNode(ctx, conn); err != nil {
		return err
	}
	return mustBeEmpty(ctx, conn)
}

const (
	// sessionsSQL finds what else of Hookferry's is connected to the database: nodes, and commands.
	sessionsSQL = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
		AND application_name IN ('hookferry', current_setting('application_name'))`
	// linger is how long the sessions of a process that has just ended may stay.
	linger = 5 * time.Second
)

func awaitNoNode(ctx context.Context, conn *pgx.Conn) error {
	for until := time.Now().Add(linger); ; {
		var n int
		if err := conn.QueryRow(ctx, sessionsSQL).Scan(&n); err != nil {
			return fail("look for nodes on the target", err)
		}
		if n == 0 {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("the target is in use: Hookferry has %d connections to it; stop the nodes that run on it, or copy into another database (PgBouncer keeps connections open: use the address of PostgreSQL itself)", n)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// mustBeEmpty refuses a database with rows that no copy has written. A copy that has not ended has
// written no subscription and no key.
func mustBeEmpty(ctx context.Context, conn *pgx.Conn) error {
	var copying, ended bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('copied_from') IS NOT NULL`).Scan(&copying); err != nil {
		return fail("look for an earlier copy", err)
	}
	if copying {
		err := conn.QueryRow(ctx, `SELECT ended_at IS NOT NULL FROM copied_from`).Scan(&ended)
		if copying = err == nil; err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fail("look for an earlier copy", err)
		}
	}
	if ended {
		return nil // whether it has changed since, whoever counts finds out
	}
	tables := []string{"subscriptions", "api_keys"}
	if !copying {
		tables = append(tables, "events", "deliveries")
	}
	for _, table := range tables {
		var there, found bool
		err := conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&there)
		if err == nil && there {
			err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+table+`)`).Scan(&found)
		}
		if err != nil {
			return fail("look whether the target is in use", err)
		}
		if found {
			return fmt.Errorf("the target is in use: its table %s has rows that do not come from this copy; copy into an empty database", table)
		}
	}
	return nil
}

// Copied reads how far the copy has come.
func (t *Target) Copied(ctx context.Context) (c Copied, err error) {
	err = t.store.pool.QueryRow(ctx, readCopiedSQL).Scan(&c.Fingerprint, &c.Step, &c.Cursor, &c.Ended)
	if errors.Is(err, pgx.ErrNoRows) {
		return Copied{}, nil
	}
	return c, fail("read how far the copy has come", err)
}

// Begin starts a copy from the beginning. It deletes what an interrupted copy has written.
func (t *Target) Begin(ctx context.Context, source, fingerprint string) error {
	return fail("begin the copy", pgx.BeginFunc(ctx, t.store.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `TRUNCATE events, deliveries, delivery_attempts, idempotency_keys`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, beginCopySQL, clean(source), fingerprint, t.run)
		return err
	}))
}

// Write writes a batch, and notes where its step goes on.
func (t *Target) Write(ctx context.Context, step store.CopyStep, b store.Batch) error {
	if err := t.makeWindows(ctx, step, b); err != nil {
		return err
	}
	return failCopy("write the "+step.Name, pgx.BeginFunc(ctx, t.store.pool, func(tx pgx.Tx) error {
		if err := t.copyRows(ctx, tx, step, b.Rows); err != nil {
			return err
		}
		return t.note(ctx, tx, step.Name, b.Cursor, false)
	}))
}

// End writes the last steps, and notes that the copy has ended. rows are by the names of the steps.
func (t *Target) End(ctx context.Context, steps []store.CopyStep, rows map[string][][]any) error {
	return failCopy("end the copy", pgx.BeginFunc(ctx, t.store.pool, func(tx pgx.Tx) error {
		for _, step := range steps {
			if err := t.copyRows(ctx, tx, step, rows[step.Name]); err != nil {
				return err
			}
		}
		return t.note(ctx, tx, "", nil, true)
	}))
}

// errTakenOver is what a run gets when another one goes on with its copy.
var errTakenOver = errors.New("another `hookferry copy` has started, and continues this copy")

func failCopy(what string, err error) error {
	if errors.Is(err, errTakenOver) {
		return err
	}
	return fail(what, err)
}

func (t *Target) note(ctx context.Context, tx pgx.Tx, step string, cursor []byte, ended bool) error {
	tag, err := tx.Exec(ctx, noteCopySQL, t.run, step, cursor, ended)
	if err == nil && tag.RowsAffected() == 0 {
		return errTakenOver
	}
	return err
}

// makeWindows makes the partitions that a batch needs.
func (t *Target) makeWindows(ctx context.Context, step store.CopyStep, b store.Batch) error {
	if step.Table != "events" && step.Table != "deliveries" && step.Table != "delivery_attempts" {
		return nil
	}
	missing := make(map[time.Time]bool)
	for _, row := range b.Rows {
		if id, ok := row[0].(event.ID); ok && !t.windows[windowOf(id)] {
			missing[windowOf(id)] = true
			t.windows[windowOf(id)] = true
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fail("make partitions", t.store.ensureWindows(ctx, missing))
}

// Counts counts all rows.
func (t *Target) Counts(ctx context.Context) (store.CopyCounts, error) {
	counts := store.CopyCounts{}
	err := t.store.scan(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil { // it reads everything
			return err
		}
		for kind, table := range map[string]string{
			"subscriptions": "subscriptions", "endpoint health": "subscription_health", "API keys": "api_keys",
			"idempotency keys": "idempotency_keys", "events": "events", "attempts": "delivery_attempts",
		} {
			var n int64
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n); err != nil {
				return err
			}
			counts[kind] = n
		}
		for _, status := range event.Statuses {
			var n int64
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM deliveries WHERE status = $1`, int16(status)).Scan(&n); err != nil {
				return err
			}
			counts["deliveries "+status.String()] = n
		}
		return nil
	})
	return counts, fail("count what is kept", err)
}

// Audit is as in store.History.
func (t *Target) Audit(ctx context.Context, now, kept time.Time) ([]event.Finding, error) {
	return t.store.Audit(ctx, now, kept)
}
