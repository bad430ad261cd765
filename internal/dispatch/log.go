package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// logAttempt counts an attempt, and logs it if it failed or all attempts are logged. The first
// success after failures gets a separate line.
func (d *Dispatcher) logAttempt(w *work, sub event.Subscription, s event.Settlement) {
	v := d.attemptLog.note(s, time.Now())
	if v.line && v.recovered > 0 {
		d.o.Log.LogAttrs(d.attempts, slog.LevelInfo, "endpoint succeeds again",
			slog.String("subscription", sub.ID.String()), slog.Int("failed_attempts", v.recovered), slog.Float64("failing_ms", ms(v.after)))
	}
	o := &s.Attempt.Outcome
	level := slog.LevelInfo
	if !o.Success() {
		level = slog.LevelWarn
	}
	if !d.o.LogAllAttempts && (o.Success() || !v.line) || !d.o.Log.Enabled(d.attempts, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("delivery", s.Delivery.ID.String()), slog.String("event", s.Delivery.EventID.String()),
		slog.String("subscription", sub.ID.String()), slog.String("type", w.claimed.Event.Type),
		slog.Int("attempt", s.Attempt.Number), slog.String("status", s.Delivery.Status.String()),
		slog.Float64("took_ms", ms(o.Duration)), slog.Float64("waited_ms", ms(o.StartedAt.Sub(s.Delivery.CreatedAt))),
		slog.String("peer", o.Peer),
	}
	if o.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status_code", o.StatusCode))
	}
	if !o.Success() {
		attrs = append(attrs, slog.String("error_code", string(o.Code)), slog.String("error", o.Error))
		if o.Detail != "" {
			attrs = append(attrs, slog.String("detail", o.Detail))
		}
		if s.Delivery.Status == event.Pending {
			attrs = append(attrs, slog.Time("next_attempt_at", s.Delivery.DueAt))
		}
	}
	if !d.o.LogAllAttempts && v.omitted > 0 {
		attrs = append(attrs, slog.Int("omitted_before", v.omitted))
	}
	d.o.Log.LogAttrs(d.attempts, level, "attempt", attrs...)
}

// logSummary logs what this node did since the last summary, if it did anything.
func (d *Dispatcher) logSummary() {
	c := d.attemptLog.summary(time.Now())
	if c.attempts == 0 {
		return
	}
	attrs := []slog.Attr{
		slog.Int64("attempts", c.attempts), slog.Int64("failed_attempts", c.failed),
		slog.Int64("delivered", c.delivered), slog.Int64("failed", c.deliveriesFailed), slog.Int("endpoints_without_success", c.failingEndpoints),
	}
	if c.omitted > 0 && !d.o.LogAllAttempts {
		attrs = append(attrs, slog.Int("lines_omitted", c.omitted))
	}
	d.o.Log.LogAttrs(d.attempts, slog.LevelInfo, "summary of attempts", attrs...)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// noteStore logs the failure of a call that Run repeats. It logs the failure once, until the call
// succeeds again. An unavailable store has its own warning, so it is logged at a lower level. Only
// Run calls noteStore.
func (d *Dispatcher) noteStore(ctx context.Context, failure string, err error) {
	level := slog.LevelWarn
	if errors.Is(err, event.ErrUnavailable) {
		level = slog.LevelInfo
	}
	if err != nil && ctx.Err() == nil && !d.failing[failure] {
		d.o.Log.Log(ctx, level, failure, "error", err)
	}
	d.failing[failure] = err != nil
}
