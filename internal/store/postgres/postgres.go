// Package postgres is the driver for PostgreSQL 15 or later. Any number of nodes can
// share one database.
//
// New events and settled deliveries are nearly all there is to write. They go through a
// few writers (writer.go), each with its own connection. Everything that has queued up
// during one commit goes into the next one, as arrays instead of rows. All other calls
// are single statements or short transactions on a second pool, so that a long list never
// delays new events. A commit that has returned is on disk: a connection with
// synchronous_commit=off is refused.
//
// Nodes claim deliveries with SKIP LOCKED and hold leases on them. There is no leader:
// when a node dies, other nodes take over its deliveries once its leases have run out. The
// nodes' clocks need not agree (clock.go). The notifications between nodes are only hints
// (listen.go).
//
// The database decides whether a published event was matched at the present version of its tenant
// (publish.go). A trigger increases that version (tenanttables.go), so it counts the changes of
// every release.
//
// Start with Open, then writer.go.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

const (
	// quick is the timeout of calls that a request waits for, and slow is the timeout of
	// calls that clean up or count. Without timeouts, a database that does not respond
	// would block them forever.
	quick = 4 * time.Second
	slow  = time.Minute

	connectTimeout = 3 * time.Second
)

// Options configure the driver.
type Options struct {
	// URL is postgres://user:password@host/database, with any option of pgx, such as
	// several hosts with target_session_attrs=read-write, sslmode, or
	// default_query_exec_mode=cache_describe for a PgBouncer that pools transactions
	// and keeps no prepared statements.
	URL string
	// ReadURL, if set, is a replica for status and list queries. If it does not
	// respond, the primary is used.
	ReadURL string
	// Existing leaves tables and partitions as they are. It is for commands that only
	// read.
	Existing bool
	// Writers is how many connections write new events and outcomes, and MaxConns is
	// how many there are for everything else. 0 means the default.
	Writers  int
	MaxConns int
	// MaxSubscriptions is how many subscriptions a tenant without a limit of its own can have. 0
	// means event.MaxSubscriptionsOfTenant.
	MaxSubscriptions int
	// OnCommit, if set, is called after each commit of the writers with the number of
	// rows and the duration. Several goroutines may call it at once.
	OnCommit func(rows int, took time.Duration)

	local        localClock    // set by tests; nil means the machine's clock
	measureEvery time.Duration // 0 means every ten seconds
}

// Store is the PostgreSQL driver.
type Store struct {
	pool      *pgxpool.Pool // for everything except the writers
	clock     *clock
	writer    *writer
	replica   *replica
	hints     *hints
	diskSpace store.DiskSpace
	listen    *pgx.ConnConfig
	// maxSubscriptions is how many subscriptions a tenant without a limit of its own can have.
	maxSubscriptions int

	mu           sync.Mutex
	cursor       event.ID                    // where the next fair claim continues
	unparkCursor event.ID                    // where the next Unpark continues
	settled      map[time.Time]settledWindow // by the beginning of the window; see retention.go
}

// Store implements all optional interfaces of a driver.
var (
	_ store.Store    = (*Store)(nil)
	_ store.Listener = (*Store)(nil)
	_ store.Clock    = (*Store)(nil)
	_ store.Identity = (*Store)(nil)
)

// Open connects, migrates the tables and creates partitions, unless o.Existing is set. Any
// number of nodes may do so at once.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	s := &Store{settled: make(map[time.Time]settledWindow), maxSubscriptions: orElse(o.MaxSubscriptions, event.MaxSubscriptionsOfTenant)}
	rand.Read(s.cursor[:]) // so that nodes that start together begin with different subscriptions
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.pool, err = openPool(ctx, o.URL, orElse(o.MaxConns, 8)); err != nil {
		return nil, err
	}
	if s.clock, err = startClock(ctx, s.pool, o); err != nil {
		return nil, err
	}
	if !o.Existing {
		if err := migrate(ctx, o.URL); err != nil {
			return nil, err
		}
		if err := s.EnsurePartitions(ctx, s.clock.localTime()); err != nil {
			return nil, err
		}
	}
	if s.replica, err = openReplica(ctx, o.ReadURL); err != nil {
		return nil, err
	}
	s.listen = s.pool.Config().ConnConfig
	s.listen.OnNotification = nil // the listener waits for notifications
	writes, err := openPool(ctx, o.URL, orElse(o.Writers, 4))
	if err != nil {
		return nil, err
	}
	s.hints = startHints(s.pool)
	s.writer = startWriter(writes, s, o.OnCommit)
	return s, nil
}

func orElse(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

func openPool(ctx context.Context, url string, size int) (*pgxpool.Pool, error) {
	cfg, err := poolConfig(url, size)
	if err != nil {
		return nil, err
	}
	cfg.AfterConnect = prepareSession
	// Drop notifications that a pooler's connection receives because another client once
	// listened on it. They would accumulate.
	cfg.ConnConfig.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fail("set up connections to PostgreSQL", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fail("connect to PostgreSQL", err)
	}
	return pool, nil
}

// poolConfig parses an address. Its error does not quote the error of pgx, which may contain a part
// of the password.
func poolConfig(url string, size int) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, addressError(err)
	}
	switch cfg.ConnConfig.DefaultQueryExecMode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
		return nil, errNeedsTypes
	}
	cfg.MaxConns = int32(size)
	if cfg.ConnConfig.ConnectTimeout == 0 || cfg.ConnConfig.ConnectTimeout > connectTimeout {
		cfg.ConnConfig.ConnectTimeout = connectTimeout
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "hookferry"
	}
	return cfg, nil
}

// prepareSession refuses a session whose commits are not durable, and sets
// synchronous_commit for the session, so that it can't change later. It makes the server
// end the transaction of a node that has stopped responding, because others may wait for
// it. It makes plans independent of values, so that production uses the plans that were
// tested. It disables sequential scans and sorts: a partition that is empty when a plan
// is made may be the largest a day later, and every statement that needs an order has an
// index for it.
func prepareSession(ctx context.Context, conn *pgx.Conn) error {
	registerColumns(conn.TypeMap())
	var sync string
	err := conn.QueryRow(ctx, `SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false)
		FROM (SELECT set_config('plan_cache_mode', 'force_generic_plan', false),
			set_config('enable_seqscan', 'off', false),
			set_config('enable_bitmapscan', 'off', false),
			set_config('enable_sort', 'off', false),
			set_config('max_parallel_workers_per_gather', '0', false),
			set_config('jit', 'off', false),
			set_config('idle_in_transaction_session_timeout', '10s', false)) AS settings`).Scan(&sync)
	if err != nil {
		return err
	}
	if sync == "off" {
		return errNotDurable
	}
	return nil
}

// errNeedsTypes refuses modes in which pgx does not ask the server for parameter types. In
// those modes it would send NULLs in arrays as empty values.
var errNeedsTypes = errors.New("default_query_exec_mode=exec and simple_protocol can't be used: for a PgBouncer that keeps no prepared statements, use cache_describe")

var errNotDurable = errors.New("synchronous_commit is off, so PostgreSQL could lose accepted events in a crash; set it to on (ALTER ROLE or ALTER DATABASE … SET synchronous_commit = on, or postgresql.conf)")

// Close completes the writes that are queued, and closes the connections.
func (s *Store) Close() error {
	if s.writer != nil {
		s.writer.stop()
	}
	if s.hints != nil {
		s.hints.stop()
	}
	if s.clock != nil {
		s.clock.close()
	}
	if s.replica != nil {
		s.replica.close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	return nil
}

// Ping checks that the database responds and is not read-only, and that the last commit found
// free disk space.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	var readOnly bool
	err := s.pool.QueryRow(ctx, `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean`).Scan(&readOnly)
	if err != nil {
		return fail("ping the database", err)
	}
	if readOnly {
		return fmt.Errorf("%w: the database is read-only: it is a replica, or default_transaction_read_only is set", event.ErrUnavailable)
	}
	return s.diskSpace.Err()
}
