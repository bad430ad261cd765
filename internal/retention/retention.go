// Package retention keeps the database small: it deletes what settled longer ago
// than the retention, in small steps with pauses between them, so that it never
// stands in the way of new events. What is still pending is never deleted.
//
// Start with Run.
package retention

import (
	"context"
	"log/slog"
	"time"
)

const (
	// every is the pause between two rounds.
	every = time.Minute
	// step is how many deliveries one transaction deletes, and pause how long it
	// rests before the next: 5,000 a second at most, a small part of what the
	// store can do.
	step  = 100
	pause = 20 * time.Millisecond
)

// Store deletes; package store says what Expire promises.
type Store interface {
	Expire(ctx context.Context, before, now time.Time, limit int) (int, error)
}

// Retention deletes what is older than Keep.
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

// runOnce deletes all that is old now, and returns how many deliveries that were.
func (r Retention) runOnce(ctx context.Context, c *clock) (int, error) {
	total := 0
	for {
		now, reckoned, parted := c.now()
		if parted {
			r.Log.WarnContext(ctx, "this machine's clock has leapt ahead: nothing is deleted for that, unless it stands by it for a day", "by", now.Sub(reckoned).Round(time.Second).String())
		}
		n, err := r.Store.Expire(ctx, reckoned.Add(-r.Keep), now, step)
		total += n
		if err != nil || n == 0 || !sleep(ctx, pause) {
			return total, err
		}
	}
}

// sleep reports false if ctx ended.
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
