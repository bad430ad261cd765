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

// Target is a database into which another one is copied. The table copied_from records the source
// and the progress of the copy. Each batch updates it in its transaction, so a copy that was
// interrupted continues after the last row that was written.
type Target struct {
	store *Store
	run   string // identifies this run in copied_from, so that a run notices if a later one continues its copy
	// windows are the windows that are known to have partitions.
	windows map[time.Time]bool
}

// Copied is the progress of a copy, as the target records it.
type Copied struct {
	Fingerprint string // of the source; "" if there is no copy yet
	Ended       bool
	Step        string // the step that was under way
	Cursor      []byte // where that step continues; nil is its beginning
}

const (
	makeCopiedSQL = `CREATE TABLE IF NOT EXISTS copied_from (
		one         boolean PRIMARY KEY DEFAULT true CHECK (one),
		source      text NOT NULL,
		fingerprint text NOT NULL,      -- of the source
		run         text NOT NULL,      -- the run that copies at present
		step        text NOT NULL,
		cursor      bytea,              -- after which the step continues; NULL: from its beginning
		began_at    timestamptz NOT NULL DEFAULT now(),
		ended_at    timestamptz)`
	readCopiedSQL = `SELECT fingerprint, step, cursor, ended_at IS NOT NULL FROM copied_from`
	takeOverSQL   = `UPDATE copied_from SET run = $1`
	beginCopySQL  = `INSERT INTO copied_from (source, fingerprint, run, step) VALUES ($1, $2, $3, '') ON CONFLICT (one) DO UPDATE
		SET source = excluded.source, fingerprint = excluded.fingerprint, run = excluded.run, step = '', cursor = NULL, began_at = now(), ended_at = NULL`
	saveProgressSQL = `UPDATE copied_from SET step = $2, cursor = $3, ended_at = CASE WHEN $4 THEN now() END WHERE run = $1`
)

// OpenTarget opens a database that is not in use, and migrates its tables. It refuses a database if a
// node is connected to it, or if it contains rows that no copy has written.
func OpenTarget(ctx context.Context, url string) (_ *Target, err error) {
	if err := checkUnused(ctx, url); err != nil {
		return nil, err
	}
	s, err := Open(ctx, Options{URL: url})
	if err != nil {
		return nil, err
	}
	t := &Target{store: s, run: rand.Text(), windows: make(map[time.Time]bool)}
	if _, err := s.pool.Exec(ctx, makeCopiedSQL); err != nil {
		return nil, errors.Join(fail("create the table copied_from", err), s.Close())
	}
	if _, err := s.pool.Exec(ctx, takeOverSQL, t.run); err != nil {
		return nil, errors.Join(fail("continue the copy", err), s.Close())
	}
	return t, nil
}

// Close closes the connections.
func (t *Target) Close() error { return t.store.Close() }

// checkUnused returns an error if the database is in use. It changes nothing.
func checkUnused(ctx context.Context, url string) error {
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
	return checkEmpty(ctx, conn)
}

const (
	// sessionsSQL counts the other connections of Hookferry to the database, of nodes and commands.
	sessionsSQL = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
		AND application_name IN ('hookferry', current_setting('application_name'))`
	// sessionEnds is how long the server may keep the sessions of a process that has just ended.
	sessionEnds = 5 * time.Second
)

func awaitNoNode(ctx context.Context, conn *pgx.Conn) error {
	for until := time.Now().Add(sessionEnds); ; {
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

// checkEmpty returns an error if the database contains rows that no copy has written. A copy that has
// not ended has written no rows of the last steps.
func checkEmpty(ctx context.Context, conn *pgx.Conn) error {
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
		return nil // if rows were added since, the comparison of the counts finds them
	}
	tables := []string{"subscriptions", "api_keys", "event_types", "tenants"}
	if !copying {
		tables = append(tables, "events", "deliveries")
	}
	for _, table := range tables {
		found, err := hasRows(ctx, conn, table)
		if err != nil {
			return fail("check whether the target is in use", err)
		}
		if found {
			return fmt.Errorf("the target is in use: its table %s has rows that do not come from this copy; copy into an empty database", table)
		}
	}
	return nil
}

// hasRows reports whether a table exists and has other rows than that of a new database.
func hasRows(ctx context.Context, conn *pgx.Conn, table string) (found bool, err error) {
	var there bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&there); err != nil || !there {
		return false, err
	}
	rows := table
	if table == "tenants" {
		rows = `tenants WHERE no NOT IN (0, 1)`
	}
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+rows+`)`).Scan(&found)
	return found, err
}

// Copied reads how far the copy has come.
func (t *Target) Copied(ctx context.Context) (c Copied, err error) {
	err = t.store.pool.QueryRow(ctx, readCopiedSQL).Scan(&c.Fingerprint, &c.Step, &c.Cursor, &c.Ended)
	if errors.Is(err, pgx.ErrNoRows) {
		return Copied{}, nil
	}
	return c, fail("read the progress of the copy", err)
}

// Begin starts a copy from the beginning. It deletes the rows of an interrupted copy.
func (t *Target) Begin(ctx context.Context, source, fingerprint string) error {
	return fail("begin the copy", pgx.BeginFunc(ctx, t.store.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `TRUNCATE events, deliveries, delivery_attempts, idempotency_keys, event_keys`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, beginCopySQL, clean(source), fingerprint, t.run)
		return err
	}))
}

// Write writes a batch, and records where its step continues.
func (t *Target) Write(ctx context.Context, step store.CopyStep, b store.Batch) error {
	if err := t.createWindows(ctx, step, b); err != nil {
		return err
	}
	return failCopy("write the "+step.Name, pgx.BeginFunc(ctx, t.store.pool, func(tx pgx.Tx) error {
		if err := t.copyRows(ctx, tx, step, b.Rows); err != nil {
			return err
		}
		return t.saveProgress(ctx, tx, step.Name, b.Cursor, false)
	}))
}

// End writes the last steps, and records that the copy has ended. rows has the rows of each step, by
// the step's name.
func (t *Target) End(ctx context.Context, steps []store.CopyStep, rows map[string][][]any) error {
	return failCopy("end the copy", pgx.BeginFunc(ctx, t.store.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, keepVersionsSQL); err != nil {
			return err
		}
		for _, step := range steps {
			if err := t.copyRows(ctx, tx, step, rows[step.Name]); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, nextTenantSQL); err != nil {
			return err
		}
		return t.saveProgress(ctx, tx, "", nil, true)
	}))
}

const (
	// keepVersionsSQL turns off the trigger that raises versions of tenants, which are copied.
	keepVersionsSQL = `SET LOCAL hookferry.same_settings = 'yes'`
	// nextTenantSQL continues the numbers of tenants after those that were copied.
	nextTenantSQL = `SELECT setval(pg_get_serial_sequence('tenants', 'no'), (SELECT greatest(2, max(no) + 1) FROM tenants), false)`
)

// errTakenOver is the error of a run whose copy another run continues.
var errTakenOver = errors.New("another `hookferry copy` has started, and continues this copy")

func failCopy(what string, err error) error {
	if errors.Is(err, errTakenOver) {
		return err
	}
	return fail(what, err)
}

func (t *Target) saveProgress(ctx context.Context, tx pgx.Tx, step string, cursor []byte, ended bool) error {
	tag, err := tx.Exec(ctx, saveProgressSQL, t.run, step, cursor, ended)
	if err == nil && tag.RowsAffected() == 0 {
		return errTakenOver
	}
	return err
}

// createWindows creates the partitions that a batch needs.
func (t *Target) createWindows(ctx context.Context, step store.CopyStep, b store.Batch) error {
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
	return fail("create partitions", t.store.ensureWindows(ctx, missing))
}

// Counts counts all rows.
func (t *Target) Counts(ctx context.Context) (store.CopyCounts, error) {
	counts := store.CopyCounts{}
	err := t.store.scan(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil { // it reads everything
			return err
		}
		for _, step := range store.CopySteps() {
			var n int64
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+step.Table).Scan(&n); err != nil {
				return err
			}
			counts[step.Name] = n
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
	return counts, fail("count rows", err)
}

// Audit is as in store.History.
func (t *Target) Audit(ctx context.Context, now, kept time.Time) ([]event.Finding, error) {
	return t.store.Audit(ctx, now, kept)
}
