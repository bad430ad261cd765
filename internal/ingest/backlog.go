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
	// countEvery is the shortest pause between two counts of the backlog.
	countEvery = 2 * time.Second
	// countShare limits the cost of counting millions of deliveries: the pause after a count is
	// at least this many times as long as the count took. Each node counts.
	countShare = 20
)

// Waiting counts the backlog in the store; package store says what it promises.
type Waiting interface {
	Waiting(ctx context.Context, many int) (event.Waiting, error)
}

// Backlog refuses events while too many deliveries are pending, before the disk is full. A limit
// for each subscription keeps one dead endpoint from filling the backlog for everyone. Backlog uses
// the last count, so events that arrive between two counts may exceed the limits.
type Backlog struct {
	Store     Waiting
	Most      int // the limit on all pending deliveries
	MostOfOne int // the limit on one subscription's pending deliveries
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

// Count counts once. If that fails, the last count stays in use, and one log line says so until
// counting succeeds again.
func (b *Backlog) Count(ctx context.Context) {
	now, err := b.Store.Waiting(ctx, b.MostOfOne)
	if err != nil {
		if ctx.Err() == nil && !b.failing.Swap(true) {
			level := slog.LevelWarn
			if errors.Is(err, event.ErrUnavailable) {
				level = slog.LevelInfo // an unavailable store has its own warning
			}
			b.Log.Log(ctx, level, "could not count pending deliveries; using the last count", "error", err)
		}
		return
	}
	b.failing.Store(false)
	was := b.last.Swap(&now)
	switch full, before := now.Total >= b.Most, was != nil && was.Total >= b.Most; {
	case full && !before:
		b.Log.WarnContext(ctx, "the backlog is full (HOOKFERRY_MAX_PENDING): events are refused", "waiting", now.Total, "bound", b.Most)
	case before && !full:
		b.Log.InfoContext(ctx, "the backlog is no longer full: events are accepted again", "waiting", now.Total, "bound", b.Most)
	}
}

// check returns an error that wraps ErrBacklog if no more events are accepted for the
// subscription.
func (b *Backlog) check(subscription event.ID) error {
	if err := b.checkTotal(); err != nil {
		return err
	}
	if n, full := b.pendingOf(subscription); full {
		return fmt.Errorf("%w: %d deliveries of this subscription are pending, and HOOKFERRY_MAX_PENDING_PER_SUBSCRIPTION is %d", event.ErrBacklog, n, b.MostOfOne)
	}
	return nil
}

// checkTotal returns an error that wraps ErrBacklog if no more events are accepted at all.
func (b *Backlog) checkTotal() error {
	if b == nil {
		return nil
	}
	if last := b.last.Load(); last != nil && last.Total >= b.Most {
		return fmt.Errorf("%w: %d deliveries are pending, and HOOKFERRY_MAX_PENDING is %d", event.ErrBacklog, last.Total, b.Most)
	}
	return nil
}

// pendingOf returns how many deliveries of a subscription are pending, and whether those are too
// many. If they are not, the number is 0.
func (b *Backlog) pendingOf(subscription event.ID) (pending int, full bool) {
	if b == nil {
		return 0, false
	}
	last := b.last.Load()
	if last == nil {
		return 0, false
	}
	pending, full = last.Many[subscription]
	return pending, full
}
