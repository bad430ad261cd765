package dispatch

import (
	"log/slog"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// logAttempt logs an attempt, in one line.
func (d *Dispatcher) logAttempt(w *work, sub event.Subscription, s event.Settlement) {
	o := &s.Attempt.Outcome
	level := slog.LevelInfo
	if !o.Success() {
		level = slog.LevelWarn
	}
	if !d.o.Log.Enabled(d.attempts, level) {
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
	d.o.Log.LogAttrs(d.attempts, level, "attempt", attrs...)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
