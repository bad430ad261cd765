package retention

import (
	"context"
	"log/slog"
	"time"
)

const (
	// clearEvery is the pause between two looks for deleted tenants.
	clearEvery = 2 * time.Second
	// clearStep is how many subscriptions one step deletes, each with its pending deliveries.
	clearStep = 20
)

// TenantStore deletes what deleted tenants have left; package store says what ClearTenants promises.
type TenantStore interface {
	ClearTenants(ctx context.Context, now time.Time, limit int) (int, error)
}

// Tenants deletes the subscriptions of deleted tenants. It looks into the store alone, so it
// completes a deletion that a crash has interrupted, on any node.
type Tenants struct {
	Store TenantStore
	Log   *slog.Logger
}

// Run deletes until ctx ends. It always returns nil. If the store fails, one log line says so until
// it succeeds again.
func (t Tenants) Run(ctx context.Context) error {
	failing := false
	for {
		n, err := t.clear(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			t.Log.WarnContext(ctx, "could not delete the subscriptions of deleted tenants; trying again", "error", err, "in", clearEvery.String())
		}
		failing = err != nil
		if n > 0 {
			t.Log.InfoContext(ctx, "deleted the subscriptions of deleted tenants", "subscriptions", n)
		}
		if !sleep(ctx, clearEvery) {
			return nil
		}
	}
}

// clear deletes all that there is to delete, in steps. It returns the number of subscriptions.
func (t Tenants) clear(ctx context.Context) (int, error) {
	total := 0
	for {
		n, err := t.Store.ClearTenants(ctx, time.Now(), clearStep)
		total += n
		if err != nil || n == 0 || !sleep(ctx, pause) {
			return total, err
		}
	}
}
