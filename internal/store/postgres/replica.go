package postgres

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// replicaTime is how long to wait for the replica before using the primary, and
	// replicaPause is how long a replica that failed is not used.
	replicaTime  = 1500 * time.Millisecond
	replicaPause = 5 * time.Second
)

// replica serves status and list queries. It may lag behind.
type replica struct {
	pool  *pgxpool.Pool
	until atomic.Int64 // the replica is not used before this time, in Unix nanoseconds
}

// openReplica does not connect, because the service must start even if its replica is down.
func openReplica(ctx context.Context, url string) (*replica, error) {
	if url == "" {
		return nil, nil
	}
	cfg, err := poolConfig(url, 8)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.ConnectTimeout = replicaTime
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fail("set up connections to the replica", err)
	}
	return &replica{pool: pool}, nil
}

func (r *replica) close() { r.pool.Close() }

func (r *replica) usable() bool {
	return r != nil && time.Now().UnixNano() >= r.until.Load()
}

func (r *replica) try(ctx context.Context, f func(context.Context, *pgxpool.Pool) error) error {
	ctx, cancel := context.WithTimeout(ctx, replicaTime)
	defer cancel()
	return f(ctx, r.pool)
}

// read runs f on the replica. It uses the primary if there is no replica, the replica fails, or
// it does not have the requested row yet.
func (s *Store) read(ctx context.Context, f func(context.Context, *pgxpool.Pool) error) error {
	if s.replica.usable() {
		err := s.replica.try(ctx, f)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !errors.Is(err, event.ErrNotFound) {
			s.replica.until.Store(time.Now().Add(replicaPause).UnixNano())
		}
	}
	return f(ctx, s.pool)
}
