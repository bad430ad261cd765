package app

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// outageInterval is the time between two looks at the database.
	outageInterval = time.Second
	// steadyAfter is how long the database must do its work before an outage is over: one that
	// comes and goes has one line and not hundreds.
	steadyAfter = 2 * time.Second
)

// outage logs one line when the database goes and one when it is back.
type outage struct {
	failure func(context.Context) error // nil: the database does its work
	log     *slog.Logger

	refused atomic.Int64 // requests since the database went

	since time.Time // when it went; zero if it is there
	back  time.Time // when it was seen again; zero if it was not
}

// run looks again and again, until ctx ends.
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
		o.log.WarnContext(ctx, "the database can't be used: requests that need it are refused, and deliveries wait, until it can", "error", err)
	case err != nil:
		o.back = time.Time{}
	case o.since.IsZero():
		o.refused.Store(0) // those of a moment that nobody saw
	case o.back.IsZero():
		o.back = now
	case now.Sub(o.back) >= steadyAfter:
		o.log.InfoContext(ctx, "the database can be used again", "away_ms", o.back.Sub(o.since).Milliseconds(), "requests_refused", o.refused.Swap(0))
		o.since, o.back = time.Time{}, time.Time{}
	}
}

// countRefused counts a request that was answered with a problem of that status.
func (o *outage) countRefused(status int) {
	if status == 503 || status == 507 {
		o.refused.Add(1)
	}
}
