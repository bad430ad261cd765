// Package retention keeps the database small: it deletes deliveries that settled longer
// ago than the retention. It works in small steps with pauses between them, so that it
// does not delay new events. It never deletes pending deliveries. It also deletes the
// subscriptions that deleted tenants have left.
//
// Start with Retention.Run, and Tenants.Run.
package retention

import (
	"context"
	"log/slog"
	"time"
)

const (
	// every is the pause between two rounds.
	every = time.Minute
	// step is how many deliveries one transaction deletes, and pause is the time
	// between two transactions. That is up to 5,000 deliveries a second, a small part
	// of the store's throughput.
	step  = 100
	pause = 20 * time.Millisecond
)

// Store deletes expired deliveries; package store says what Expire promises.
type Store interface {
	Expire(ctx context.Context, before, now time.Time, limit int) (int, error)
}

// Retention deletes deliveries that settled longer than Keep ago.
type Retention struct {
	Store Store
	Keep  time.Duration
	Log   *slog.Logger
}

// Run deletes in rounds until ctx ends. It always returns nil.
func (r Retention) Run(ctx context.Context) error {
	c := systemClock()
	for {
		n, err := r.runOnce(ctx, c)
		if err != nil && ctx.Err() == nil {
			r.Log.WarnContext(ctx, "could not delete old deliveries; trying again", "error", err, "in", every.String())
		}
		if n > 0 {
			r.Log.InfoContext(ctx, "deleted old deliveries", "deliveries", n, "older_than", r.Keep.String())
		}
		if !sleep(ctx, every) {
			return nil
		}
	}
}

// runOnce deletes everything that has expired. It returns the number of deliveries.
func (r Retention) runOnce(ctx context.Context, c *clock) (int, error) {
	total := 0
	for {
		now, trusted, leaps := c.now()
		if leaps {
			r.Log.WarnContext(ctx, "this machine's clock has leapt ahead: retention ignores the leap unless the clock stays ahead for a day", "by", now.Sub(trusted).Round(time.Second).String())
		}
		n, err := r.Store.Expire(ctx, trusted.Add(-r.Keep), now, step)
		total += n
		if err != nil || n == 0 || !sleep(ctx, pause) {
			return total, err
		}
	}
}

// sleep pauses for d. It returns false if ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
