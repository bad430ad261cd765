package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// window is the span of time of the ids in one partition. It can't be changed for
	// existing tables, because partitions must not overlap.
	window = 6 * time.Hour
	// ahead is how many windows after the present one have partitions.
	ahead = 4
	// ddlLock is the advisory lock for creating and dropping partitions.
	ddlLock = 0x686f6f6b_00000002
)

// parents are the partitioned tables. The partitions of one window belong together,
// because an event and its deliveries have the same time in their ids.
var parents = [...]string{"events", "deliveries", "delivery_attempts"}

// windowOf returns the beginning of the window that contains an id.
func windowOf(id event.ID) time.Time { return id.Time().UTC().Truncate(window) }

// suffix returns the suffix of the names of a window's partitions.
func suffix(start time.Time) string { return start.Format("_p20060102_15") }

// EnsurePartitions creates the partitions of the present and of the next windows.
func (s *Store) EnsurePartitions(ctx context.Context, now time.Time) error {
	windows := make(map[time.Time]bool)
	for i := -1; i <= ahead; i++ {
		windows[now.UTC().Truncate(window).Add(time.Duration(i)*window)] = true
	}
	return fail("create partitions", s.ensureWindows(ctx, windows))
}

// windowsOf returns the windows that a batch needs. EnsurePartitions creates their partitions in
// advance, unless a clock is more than a day ahead or six hours behind. In that case they are
// created for the batch. If that fails, the batch is not stored and its callers get the error.
func windowsOf(batch []*op) map[time.Time]bool {
	windows := make(map[time.Time]bool)
	for _, o := range batch {
		if o.settlements == nil {
			windows[windowOf(o.acceptance.Event.ID)] = true // and of its deliveries
		}
		for i := range o.settlements {
			windows[windowOf(o.settlements[i].Attempt.DeliveryID)] = true
		}
	}
	return windows
}

// writes are the statements of a commit. Those for one window name its partitions. If a
// statement names a table, PostgreSQL locks and prepares all of its partitions each time, and
// the longer the retention, the more partitions there are.
type writes struct {
	of                    time.Time // the window; zero means any
	insert, insertTenants string    // see insertSQL
	publish, settle       string
	attempt               string // writes only an attempt, without its delivery
}

// everywhere are the statements that name the tables, for any window.
var everywhere = writesWith("")

func writesIn(start time.Time) *writes {
	in := writesWith(suffix(start))
	in.of = start
	return &in
}

func writesWith(suffix string) writes {
	return writes{
		insert:        nameTables(insertSQL, suffix),
		insertTenants: nameTables(insertTenantsSQL, suffix),
		publish:       nameTables(publishSQL, suffix),
		settle:        nameTables(settleSQL, suffix),
		attempt:       nameTables(attemptSQL, suffix),
	}
}

// nameTables replaces the placeholders of a statement, such as {deliveries}, with the
// names of the partitions that end in suffix, or of the tables if suffix is empty. It
// panics if the statement has no placeholder, or one without a partitioned table. That
// is a bug, and shows at every start, because the variable everywhere uses each statement.
func nameTables(sql, suffix string) string {
	named := sql
	for _, parent := range parents {
		named = strings.ReplaceAll(named, "{"+parent+"}", parent+suffix)
	}
	if named == sql {
		panic("postgres: no placeholder for a partition in the statement: " + sql)
	}
	if strings.ContainsAny(named, "{}") {
		panic("postgres: an unknown placeholder in the statement: " + named)
	}
	return named
}

// writesFor returns the statements for a batch. Nearly all batches have ids of one window.
func (w *writer) writesFor(batch []*op) writes {
	windows := windowsOf(batch)
	if len(windows) != 1 {
		return everywhere
	}
	for start := range windows { // only one
		if latest := w.latest.Load(); latest != nil && latest.of.Equal(start) {
			return *latest
		}
		in := writesIn(start)
		w.latest.Store(in)
		return *in
	}
	return everywhere
}

func (s *Store) ensureWindows(ctx context.Context, windows map[time.Time]bool) error {
	there, err := s.partitions(ctx)
	if err != nil {
		return err
	}
	for _, start := range there {
		delete(windows, start)
	}
	for start := range windows {
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return makePartitions(ctx, tx, start) })
		if err != nil {
			return fmt.Errorf("create the partitions for ids of %s: %w", start.Format(time.DateTime), err)
		}
	}
	return nil
}

// partitions returns the windows that have partitions, oldest first.
func (s *Store) partitions(ctx context.Context) ([]time.Time, error) {
	rows, err := s.pool.Query(ctx, `SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'deliveries'::regclass ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	var windows []time.Time
	for _, name := range names {
		start, err := time.Parse("_p20060102_15", strings.TrimPrefix(name, "deliveries"))
		if err == nil {
			windows = append(windows, start)
		}
	}
	return windows, nil
}

// makePartitions creates the partitions of a window. It creates tables and attaches them,
// because creating a partition directly would block writers.
func makePartitions(ctx context.Context, tx pgx.Tx, start time.Time) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(ddlLock)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '2s'`); err != nil {
		return err
	}
	for _, parent := range parents {
		name := parent + suffix(start)
		var exists bool
		if err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&exists); err != nil {
			return err
		}
		if exists {
			continue // another node was faster
		}
		options := ""
		if parent == "deliveries" { // each of its rows is updated at least once
			options = " WITH (autovacuum_vacuum_scale_factor = 0.05)"
		}
		for _, sql := range []string{
			fmt.Sprintf(`CREATE TABLE %s (LIKE %s INCLUDING ALL)%s`, name, parent, options),
			fmt.Sprintf(`ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')`,
				parent, name, event.FloorID(start), event.FloorID(start.Add(window))),
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
	}
	return nil
}
