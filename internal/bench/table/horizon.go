package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// horizon measures PostgreSQL under full load while other sessions hold old snapshots, so that
// vacuum can't remove dead rows: first a transaction that stays open, then four readers in turn.
// All runs use one database, because they measure what earlier runs leave behind.
func horizon(ctx context.Context, t *table) (err error) {
	names := []string{"free", "pinned", "pinned at last", "free again", "four long readers"}
	for i, n := range names {
		names[i] = "horizon: " + n
		t.forget(names[i])
	}
	if t.database, err = t.postgres.Create(ctx, ""); err != nil {
		return err
	}
	defer func() {
		t.postgres.Drop(context.WithoutCancel(ctx), t.database)
		t.database = ""
	}()
	run := func(n int, duration string) error {
		return t.bench(ctx, names[n], onPostgres, nil, "--duration", duration)
	}
	if err := run(0, fullLoad); err != nil {
		return err
	}
	if err := t.withSnapshots(ctx, 1, 0, func() error {
		if err := run(1, t.pinned.String()); err != nil {
			return err
		}
		return run(2, fullLoad)
	}); err != nil {
		return err
	}
	if err := run(3, fullLoad); err != nil {
		return err
	}
	return t.withSnapshots(ctx, 4, time.Minute, func() error { return run(4, fullLoad) })
}

// withSnapshots runs f while sessions hold snapshots of the database. If renew is not 0, each takes
// a new one after that time, in turn, so that there is always an old one.
func (t *table) withSnapshots(ctx context.Context, sessions int, renew time.Duration, f func() error) error {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, sessions)
	for n := range sessions {
		go func() {
			ended <- t.holdSnapshots(ctx, renew, renew*time.Duration(n)/time.Duration(sessions))
		}()
	}
	err := f()
	stop()
	for range sessions {
		if e := <-ended; err == nil {
			err = e
		}
	}
	return err
}

func (t *table) holdSnapshots(ctx context.Context, renew, late time.Duration) error {
	db, err := pgx.Connect(ctx, t.postgres.URL(t.database))
	if err != nil {
		return err
	}
	defer db.Close(context.WithoutCancel(ctx))
	for {
		tx, err := db.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		if err == nil {
			var n int64
			err = tx.QueryRow(ctx, "SELECT count(*) FROM subscriptions").Scan(&n)
		}
		if err != nil {
			return fmt.Errorf("take a snapshot: %w", err)
		}
		var over <-chan time.Time
		if renew > 0 {
			over = time.After(renew + late)
			late = 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-over:
		}
		if err := tx.Rollback(ctx); err != nil {
			return fmt.Errorf("end a snapshot: %w", err)
		}
	}
}
