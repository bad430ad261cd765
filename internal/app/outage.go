package app

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// outageInterval is the time between two checks of the database.
	outageInterval = time.Second
	// steadyAfter is how long the database must work before an outage counts as over, so that a
	// database that comes and goes gets one line instead of hundreds.
	steadyAfter = 2 * time.Second
)

// outage logs one line when the database becomes unavailable, and one when it works again.
type outage struct {
	failure func(context.Context) error // returns nil if the database works
	log     *slog.Logger

	refused atomic.Int64 // requests refused during the outage

	since time.Time // when the outage began; zero without an outage
	back  time.Time // when the database began to work again; zero if it has not
}

// run checks the database until ctx ends.
func (o *outage) run(ctx context.Context) error {
	for {
		o.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(outageInterval):
		}
	}
}

func (o *outage) look(ctx context.Context) {
	err := o.failure(ctx)
	now := time.Now()
	switch {
	case ctx.Err() != nil:
	case err != nil && o.since.IsZero():
		o.since = now
		o.log.WarnContext(ctx, "the database can't be used: until it can, requests that need it are refused, and deliveries wait", "error", err)
	case err != nil:
		o.back = time.Time{}
	case o.since.IsZero():
		o.refused.Store(0) // refusals during a failure too short to be logged
	case o.back.IsZero():
		o.back = now
	case now.Sub(o.back) >= steadyAfter:
		o.log.InfoContext(ctx, "the database can be used again", "away_ms", o.back.Sub(o.since).Milliseconds(), "requests_refused", o.refused.Swap(0))
		o.since, o.back = time.Time{}, time.Time{}
	}
}

// countRefused counts a problem response with that status.
func (o *outage) countRefused(status int) {
	if status == 503 || status == 507 {
		o.refused.Add(1)
	}
}
