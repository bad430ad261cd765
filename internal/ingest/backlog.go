package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// countEvery is how often the backlog is counted, at least so far apart.
	countEvery = 2 * time.Second
	// countShare bounds what counting costs a database that holds millions: after a
	// count that took a second, so many pass before the next one begins. Each node counts.
	countShare = 20
)

// Waiting counts what waits in the store; package store says what it promises.
type Waiting interface {
	Waiting(ctx context.Context, many int) (event.Waiting, error)
}

// Backlog refuses events while more waits than may: before disks fill, and before one
// dead endpoint has taken all the room there is for everybody. It goes by the last
// count, so what comes in between two counts may pass the bounds.
type Backlog struct {
	Store     Waiting
	Most      int // deliveries in all
	MostOfOne int // deliveries of one subscription
	Log       *slog.Logger

	last    atomic.Pointer[event.Waiting] // nil until the first count
	failing atomic.Bool                   // the last count failed
}

// Run counts until ctx ends.
func (b *Backlog) Run(ctx context.Context) error {
	for {
		start := time.Now()
		b.Count(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(countEvery, countShare*time.Since(start))):
		}
	}
}

// Count counts once. If that fails, the last count stands, and one line says so until it succeeds.
func (b *Backlog) Count(ctx context.Context) {
	now, err := b.Store.Waiting(ctx, b.MostOfOne)
	if err != nil {
		if ctx.Err() == nil && !b.failing.Swap(true) {
			level := slog.LevelWarn
			if errors.Is(err, event.ErrUnavailable) {
				level = slog.LevelInfo // that the store is away has a warning of its own
			}
			b.Log.Log(ctx, level, "could not count what waits; the last count stands", "error", err)
		}
		return
	}
	b.failing.Store(false)
	was := b.last.Swap(&now)
	switch full, before := now.Total >= b.Most, was != nil && was.Total >= b.Most; {
	case full && !before:
		b.Log.WarnContext(ctx, "more waits than HOOKFERRY_MAX_PENDING: events are refused", "waiting", now.Total, "bound", b.Most)
	case before && !full:
		b.Log.InfoContext(ctx, "the backlog has room again: events are taken", "waiting", now.Total, "bound", b.Most)
	}
}

// check returns an error that wraps ErrBacklog where nothing more is taken for the
// subscription.
func (b *Backlog) check(subscription event.ID) error {
	if b == nil {
		return nil
	}
	last := b.last.Load()
	if last == nil {
		return nil
	}
	if last.Total >= b.Most {
		return fmt.Errorf("%w: %d deliveries wait, and HOOKFERRY_MAX_PENDING is %d", event.ErrBacklog, last.Total, b.Most)
	}
	if n, many := last.Many[subscription]; many {
		return fmt.Errorf("%w: %d deliveries of this subscription wait, and HOOKFERRY_MAX_PENDING_PER_SUBSCRIPTION is %d", event.ErrBacklog, n, b.MostOfOne)
	}
	return nil
}
