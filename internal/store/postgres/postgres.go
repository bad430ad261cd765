// Package postgres is the store on PostgreSQL 15 or later: as many nodes as you
// like on one database.
//
// New events and settled deliveries, which is nearly all there is to write, go
// through a few writers (writer.go), each with a connection of its own: what has
// queued up during one commit goes into the next, by arrays instead of rows.
// Everything else is a statement or a short transaction on a second pool, so that
// a long list never stands in the way of new events. A commit that returned is on
// disk: a connection with synchronous_commit=off is refused.
//
// Deliveries are claimed with SKIP LOCKED and held by leases; nobody leads, and a
// node that dies is missed by nobody for longer than its leases last. The nodes'
// clocks need not agree (clock.go). What nodes tell each other (listen.go) are hints
// only.
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
	// quick is how long a call may take that a request waits for, slow one of
	// those that clean up or count. Both are bounded, because a database that has
	// gone silent would hold them for ever.
	quick = 4 * time.Second
	slow  = time.Minute

	connectTimeout = 3 * time.Second
)

// Options says how the database is reached.
type Options struct {
	// URL is postgres://user:password@host/database, with whatever pgx understands:
	// several hosts with target_session_attrs=read-write, sslmode,
	// default_query_exec_mode=cache_describe behind a PgBouncer that pools
	// transactions and keeps no prepared statements.
	URL string
	// ReadURL, if set, is a replica for status and list queries. When it does not
	// answer, the primary does.
	ReadURL string
	// Existing leaves tables and partitions as they are: for a command that looks.
	Existing bool
	// Writers is how many connections write new events and outcomes, MaxConns how
	// many there are for the rest. 0 is a good number.
	Writers  int
	MaxConns int
	// OnCommit, if set, is told of each commit of the writers: how many rows it
	// wrote and how long it took. It is called by several goroutines.
	OnCommit func(rows int, took time.Duration)

	local        localClock    // a test's own; nil is the machine's
	measureEvery time.Duration // 0 is every ten seconds
}

// Store is the PostgreSQL driver.
type Store struct {
	pool      *pgxpool.Pool // everything that no writer does
	clock     *clock
	writer    *writer
	replica   *replica
	hints     *hints
	diskSpace store.DiskSpace
	listen    *pgx.ConnConfig

	mu           sync.Mutex
	cursor       event.ID                    // where the next fair claim goes on
	unparkCursor event.ID                    // where the next Unpark goes on
	settled      map[time.Time]settledWindow // by its beginning; see retention.go
}

// It is a store, and has all the powers beside.
var (
	_ store.Store    = (*Store)(nil)
	_ store.Listener = (*Store)(nil)
	_ store.Clock    = (*Store)(nil)
	_ store.Identity = (*Store)(nil)
)

// Open connects, brings the tables up to date and makes the partitions of these
// days, unless it is told to leave them. Any number of nodes may do so at once.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	s := &Store{settled: make(map[time.Time]settledWindow)}
	rand.Read(s.cursor[:]) // so that nodes which start together don't go round together
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
		if err := s.EnsurePartitions(ctx, s.clock.here()); err != nil {
			return nil, err
		}
	}
	if s.replica, err = openReplica(ctx, o.ReadURL); err != nil {
		return nil, err
	}
	s.listen = s.pool.Config().ConnConfig
	s.listen.OnNotification = nil // it waits for them
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
	// What a pooler's connection hears because another client once listened there
	// would pile up.
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

// poolConfig reads an address. What the driver says of one that it does not understand is not
// repeated: it may hold a piece of the password.
func poolConfig(url string, size int) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, addressFault(err)
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

// prepareSession refuses a session that would not be durable, pins what it found
// against a later change, and has the server end transactions of a node that has
// stopped in the middle of one: others may wait for it. Plans don't depend on
// values, so that what the tests saw is what runs; and they never read a table from
// its beginning, nor all that is due to sort it: the partition that is empty when the
// plan is made is the one that everything goes into a day later, and what the first
// hundred need is in the order of an index.
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

// errNeedsTypes: without the server's word on the types, a list of absent values
// would be sent as one of empty ones.
var errNeedsTypes = errors.New("default_query_exec_mode=exec and simple_protocol can't be used: behind a PgBouncer that keeps no prepared statements, use cache_describe")

var errNotDurable = errors.New("synchronous_commit is off: PostgreSQL would lose acknowledged events in a crash; set it to on (ALTER ROLE or ALTER DATABASE … SET synchronous_commit = on, or postgresql.conf)")

// Close writes what was asked for before, and ends the connections.
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

// Ping makes sure that the database answers, is not one that can only be read, and that
// the last commit found room.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	var readOnly bool
	err := s.pool.QueryRow(ctx, `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean`).Scan(&readOnly)
	if err != nil {
		return fail("ask the database for a sign of life", err)
	}
	if readOnly {
		return fmt.Errorf("%w: the database can only be read: it is a replica, or set so", event.ErrUnavailable)
	}
	return s.diskSpace.Err()
}
