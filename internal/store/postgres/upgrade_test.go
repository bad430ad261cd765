package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/release010"
)

const (
	columnsSQL = `SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default)
		FROM information_schema.columns WHERE table_schema = 'public' AND table_name !~ '_p\d{8}_\d\d$' ORDER BY 1`
	validSQL     = `SELECT indisvalid FROM pg_index WHERE indexrelid = $1::text::regclass`
	unindexedSQL = `SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = $1::text::regclass AND NOT EXISTS (
			SELECT FROM pg_inherits x JOIN pg_index p ON p.indexrelid = x.inhrelid
			WHERE x.inhparent = $2::text::regclass AND p.indrelid = i.inhrelid AND p.indisvalid)`
	unusedSQL = `SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid ORDER BY 1`
	runsSQL   = `SELECT count(*) FROM goose_db_version WHERE version_id = 3`
)

// checkUpToDate fails the test unless a database has the tables of a new one, every index on every
// partition, and no useless index.
func checkUpToDate(t *testing.T, url string) {
	t.Helper()
	if diff := cmp.Diff(query[string](t, server.URL(template), columnsSQL), query[string](t, url, columnsSQL)); diff != "" {
		t.Errorf("columns (- of a new database, + of this one):\n%s", diff)
	}
	for index, table := range postgres.NewIndexes() {
		if !slices.Equal(query[bool](t, url, validSQL, index), []bool{true}) {
			t.Errorf("the index %s is not valid", index)
		}
		if without := query[string](t, url, unindexedSQL, table, index); len(without) > 0 {
			t.Errorf("the index %s is missing on %v", index, without)
		}
	}
	if invalid := query[string](t, url, unusedSQL); len(invalid) > 0 {
		t.Errorf("invalid indexes are left: %v", invalid)
	}
	if n := query[int](t, url, runsSQL)[0]; n != 1 {
		t.Errorf("the migration is on record %d times, want once", n)
	}
}

// stepper is called with each statement on a connection, and interrupts the migration after the
// first statement that it has not seen before.
type stepper struct {
	migrate func(context.Context, *sql.DB) error
	seen    map[string]bool
	stop    context.CancelFunc
	last    string
}

func (s *stepper) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.last = strings.Join(strings.Fields(data.SQL), " ")
	return ctx
}

func (s *stepper) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {
	changes := strings.Contains(s.last, "ALTER ") || strings.Contains(s.last, "CREATE ") || strings.Contains(s.last, "INSERT ") || strings.Contains(s.last, "UPDATE ")
	if changes && !s.seen[s.last] {
		s.seen[s.last] = true
		s.stop()
	}
}

// step runs the migration until it is one statement further than ever before, and reports whether
// it was completed.
func (s *stepper) step(t *testing.T, url string) (ended bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.stop = cancel
	err := s.migrate(ctx, connect(t, url, s))
	if err != nil && ctx.Err() == nil {
		t.Fatalf("after %s: %v", s.last, err)
	}
	return err == nil
}

// stepThrough runs a migration until it is completed, and returns how often it was interrupted.
func stepThrough(t *testing.T, url string, migrate func(context.Context, *sql.DB) error) (steps int) {
	t.Helper()
	s := &stepper{migrate: migrate, seen: map[string]bool{}}
	for !s.step(t, url) {
		if steps++; steps > 1000 {
			t.Fatalf("the migration does not end; its last statement was %s", s.last)
		}
	}
	return steps
}

// Each run of the migration is interrupted one statement later than the run before, and the last
// one is not. So every state between two statements is the beginning of a run.
func TestMigrationGoesOnAfterEachStatement(t *testing.T) {
	t.Parallel()
	url, content := release010.PostgreSQL(t, server)
	steps := stepThrough(t, url, postgres.MigrateHotTables)
	partitions := len(partitionsOf(t, url, "events")) // of either table
	if want := 2 + 3 + 5*(1+2*partitions); steps != want {
		t.Errorf("the migration was interrupted %d times, want once for each of its %d statements", steps, want)
	}
	content.Check(t, open(t, postgres.Options{URL: url}))
	checkUpToDate(t, url)
}

// The migration to tenants, too, may be interrupted after each statement. It gives every
// subscription of release 0.1.0 a version of its own, so that changes can be read in pages.
func TestTenantMigrationGoesOnAfterEachStatement(t *testing.T) {
	t.Parallel()
	url, content := release010.PostgreSQL(t, server)
	if steps := stepThrough(t, url, postgres.MigrateTenants); steps < 20 {
		t.Errorf("the migration was interrupted %d times, want 20 or more", steps)
	}
	versions := query[int64](t, url, `SELECT tenant_version FROM subscriptions ORDER BY id`)
	for i, version := range versions {
		if version != int64(i)+2 {
			t.Errorf("the versions of the subscriptions, oldest first, are %v, want 2, 3, …", versions)
			break
		}
	}
	if got := query[int64](t, url, `SELECT version FROM tenants ORDER BY no`); !slices.Equal(got, []int64{int64(len(versions)) + 1, 1}) {
		t.Errorf("the versions of the tenants are %v, want that of the last subscription, and 1", got)
	}
	s := open(t, postgres.Options{URL: url})
	content.Check(t, s)
	checkUpToDate(t, url)
	want := query[string](t, url, `SELECT id::text FROM subscriptions WHERE deleted_at IS NULL ORDER BY id`)
	var got []string
	for after, more := int64(0), true; more; {
		c, err := s.TenantChanges(t.Context(), event.DefaultTenantNo, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range c.Subscriptions {
			if !sub.Deleted() { // from the second page on, they are among the changes
				got = append(got, sub.ID.String())
			}
		}
		after, more = c.To, c.To < c.Tenant.Version
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) < 10 {
		t.Errorf("subscriptions in pages (- those of the table, + found):\n%s", diff)
	}
}

// buildFailed is the first thing that the migration does to deliveries_failed, up to the last of
// these partitions.
func buildFailed(t *testing.T, url string, partitions []string) {
	t.Helper()
	query[string](t, url, `CREATE INDEX deliveries_failed ON ONLY deliveries (id) WHERE status = 2`)
	for _, p := range partitions {
		query[string](t, url, fmt.Sprintf(`CREATE INDEX %s_failed ON %[1]s (id) WHERE status = 2`, p))
		query[string](t, url, fmt.Sprintf(`ALTER INDEX deliveries_failed ATTACH PARTITION %s_failed`, p))
	}
}

// PostgreSQL makes the table's index valid when the last partition's index is attached. If that
// partition is dropped instead, the migration must make PostgreSQL check again.
func TestMigrationAfterTheLastPartitionIsDropped(t *testing.T) {
	t.Parallel()
	url, _ := release010.PostgreSQL(t, server)
	partitions := partitionsOf(t, url, "deliveries")
	left := partitions[len(partitions)-1]
	buildFailed(t, url, partitions[:len(partitions)-1])
	query[string](t, url, `DROP TABLE `+left)
	if query[bool](t, url, validSQL, "deliveries_failed")[0] {
		t.Fatal("the index is valid already, so this test shows nothing")
	}
	if err := postgres.MigrateHotTables(t.Context(), connect(t, url, nil)); err != nil { // Open would create the partition again
		t.Fatal(err)
	}
	if !query[bool](t, url, validSQL, "deliveries_failed")[0] {
		t.Error("the index is not valid, although every partition has it")
	}
}

// Nodes of release 0.1.0 keep creating partitions, as copies of the table as it is.
func TestMigrationMeetsNewPartitions(t *testing.T) {
	t.Parallel()
	url, _ := release010.PostgreSQL(t, server)
	partitions := partitionsOf(t, url, "deliveries")
	buildFailed(t, url, partitions[:1])
	start, err := time.Parse("deliveries_p20060102_15", partitions[len(partitions)-1])
	if err != nil {
		t.Fatal(err)
	}
	start = start.Add(6 * time.Hour)
	name := start.Format("deliveries_p20060102_15")
	query[string](t, url, fmt.Sprintf(`CREATE TABLE %s (LIKE deliveries INCLUDING ALL)`, name))
	query[string](t, url, fmt.Sprintf(`ALTER TABLE deliveries ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')`,
		name, event.FloorID(start), event.FloorID(start.Add(6*time.Hour))))
	open(t, postgres.Options{URL: url})
	checkUpToDate(t, url)
	if !slices.Contains(partitionsOf(t, url, "deliveries"), name) {
		t.Errorf("the partition %s is gone", name)
	}
}

// snapshotSQL keeps a snapshot until the end of its transaction.
const snapshotSQL = `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM subscriptions`

const buildingSQL = `SELECT count(*) FROM pg_stat_activity
	WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'`

const cancelBuildSQL = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
	WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%'`

// awaitBuilding waits until an index is being built and waits for other transactions.
func awaitBuilding(t *testing.T, url string) {
	t.Helper()
	await.NoError(t, func() error {
		if query[int](t, url, buildingSQL)[0] == 0 {
			return errors.New("no session that builds an index is waiting")
		}
		return nil
	})
}

// Building an index waits for all transactions with an older snapshot. If it is interrupted
// meanwhile, it leaves an invalid index.
func TestMigrationReplacesAnInvalidIndex(t *testing.T) {
	t.Parallel()
	url, content := release010.PostgreSQL(t, server)
	partition := partitionsOf(t, url, "deliveries")[0]
	buildFailed(t, url, nil)
	release := hold(t, url, snapshotSQL)
	built := startBuild(t, url, partition)
	awaitBuilding(t, url)
	query[bool](t, url, cancelBuildSQL)
	if err := <-built; err == nil {
		t.Fatal("the index was built, so this test shows nothing")
	}
	release()
	if invalid := query[string](t, url, unusedSQL); !slices.Equal(invalid, []string{"deliveries_failed", partition + "_failed"}) {
		t.Fatalf("the invalid indexes are %v, so this test shows nothing", invalid)
	}
	content.Check(t, open(t, postgres.Options{URL: url}))
	checkUpToDate(t, url)
}

// A process may die while the server builds an index for it. The server does not notice that before
// the index is complete. Meanwhile the next process finds an index that is not valid.
func TestMigrationBesideABuildOfADeadProcess(t *testing.T) {
	t.Parallel()
	url, _ := release010.PostgreSQL(t, server)
	partition := partitionsOf(t, url, "deliveries")[0]
	buildFailed(t, url, nil)
	release := hold(t, url, `LOCK TABLE ONLY `+partition+` IN ROW EXCLUSIVE MODE`) // as a writer does
	built := startBuild(t, url, partition)
	awaitBuilding(t, url)
	db := connect(t, url, nil)
	indexed := make(chan error, 1)
	go func() { indexed <- postgres.IndexPartition(t.Context(), db, "deliveries_failed", partition) }()
	await.NoError(t, func() error {
		if query[int](t, url, droppingSQL)[0] == 0 {
			return errors.New("no session waits to drop the index")
		}
		return nil
	})
	release()
	<-built // PostgreSQL may cancel either of the two
	if err := <-indexed; err != nil {
		t.Errorf("index the partition: %v", err)
	}
	if !query[bool](t, url, validSQL, partition+"_failed")[0] {
		t.Error("the partition's index is not valid")
	}
}

const droppingSQL = `SELECT count(*) FROM pg_stat_activity
	WHERE datname = current_database() AND query LIKE 'DROP INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'`

// connect returns a connection like the migration's.
func connect(t *testing.T, url string, tracer pgx.QueryTracer) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Tracer = tracer
	db := stdlib.OpenDB(*cfg)
	t.Cleanup(func() { db.Close() })
	return db
}

func startBuild(t *testing.T, url, partition string) <-chan error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	built := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), fmt.Sprintf(`CREATE INDEX CONCURRENTLY %s_failed ON %[1]s (id) WHERE status = 2`, partition))
		built <- err
	}()
	return built
}

// All nodes of a new release may start at once. One runs the migration, and the others wait.
func TestNodesUpgradeAtOnce(t *testing.T) {
	t.Parallel()
	url, content := release010.PostgreSQL(t, server)
	var nodes sync.WaitGroup
	for range 4 {
		nodes.Go(func() {
			s, err := postgres.Open(t.Context(), postgres.Options{URL: url, MaxConns: 2, Writers: 1})
			if err != nil {
				t.Errorf("a node does not start: %v", err)
				return
			}
			if err := s.Close(); err != nil {
				t.Errorf("a node does not stop: %v", err)
			}
		})
	}
	nodes.Wait()
	content.Check(t, open(t, postgres.Options{URL: url}))
	checkUpToDate(t, url)
}
