package dispatch

import (
	"container/heap"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// A lane follows the health of its endpoint (event.Health). An endpoint that is held back gets no
// requests until the time that it asked for. Then its lane starts with one request in flight, and
// adds one with each success. A failing endpoint gets one request at a time, and all failing lanes
// together use at most a quarter of the node's slots. A change of health is recorded with the
// attempt that causes it, and reaches the other nodes as part of the subscription.
const (
	// failingIdleTimeout is how long an idle lane is kept if its last attempt failed. It is long
	// because failures in a row are also counted across the retries of one delivery.
	failingIdleTimeout = time.Hour
	// unparkInterval is the time between two calls of Unpark, and unparkLimit is the largest
	// number of deliveries that one call makes due.
	unparkInterval = time.Second
	unparkLimit    = 1000
	// refusalLogInterval is the time between two log lines that one endpoint is held back.
	refusalLogInterval = time.Minute
	// parkPause is the pause before the next claim if a claim has parked as many deliveries as
	// it may, and before the next call of Unpark if a call has unparked as many as it may. In
	// the pause, other deliveries are claimed.
	parkPause = 10 * time.Millisecond
)

// mayStartFailing reports whether failing lanes may have one more request in flight.
func (ls *lanes) mayStartFailing() bool { return ls.inFlightFailing < max(1, ls.limits.InFlight/4) }

// learnHealth updates a lane from the store, where another node may have recorded newer health.
func (ls *lanes) learnHealth(l *lane, known *event.Health) {
	if *known != l.health {
		ls.setHealth(l, l.health.Latest(*known))
	}
}

func (ls *lanes) setHealth(l *lane, h event.Health) {
	if h == l.health {
		return
	}
	recovered := l.health.Failing && !h.Failing
	l.health = h
	heap.Init(&ls.throttled) // the lane may be in it
	if recovered {
		l.failures, l.allowed = 0, min(initialInFlight, l.maxAllowed)
		if i := slices.Index(ls.failing, l); i >= 0 {
			ls.failing = slices.Delete(ls.failing, i, i+1)
			ls.ready = append(ls.ready, l)
		}
	}
}

// observe updates the health of a lane's endpoint after an attempt, and returns the change to
// record.
func (ls *lanes) observe(l *lane, o *event.Outcome, at time.Time) event.HealthChange {
	c := event.HealthChange{StartedAt: o.StartedAt, At: at}
	switch {
	case o.Success():
		l.failures = 0
		if !l.health.IsUnwell() {
			return event.HealthChange{}
		}
		c.Kind = event.HealthRecovered
	case o.Refused():
		c.Kind, c.RetryAfter = event.HealthRefused, o.RetryAfter
		l.allowed = 1
	default:
		if l.failures++; l.failures < event.FailuresInRow || l.health.Failing {
			return event.HealthChange{}
		}
		c.Kind = event.HealthFailing
	}
	ls.setHealth(l, l.health.After(c))
	return c
}

// noteHealth updates the health of an endpoint after an attempt, and returns the change to record
// with the attempt. If the lane's deliveries must now wait for longer than a lease, it empties the
// lane and returns the queued deliveries, to be released once the attempt is recorded.
func (d *Dispatcher) noteHealth(w *work, known *event.Health, o *event.Outcome, at time.Time) (event.HealthChange, []*work) {
	if o.Success() && !w.unwell && !known.IsUnwell() {
		return event.HealthChange{}, nil // the usual case
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lanes.learnHealth(w.lane, known)
	before := w.lane.health
	c := d.lanes.observe(w.lane, o, at)
	d.logHealth(w.lane, before, at)
	if o.Refused() && d.isClosed(w.lane, at) {
		return c, d.lanes.removeQueuedOf(w.lane)
	}
	return c, nil
}

// logHealth logs changes of an endpoint's state. An endpoint with a rate limit of its own may refuse
// requests every few seconds, so refusals are logged once in refusalLogInterval. The caller holds
// the lock.
func (d *Dispatcher) logHealth(l *lane, before event.Health, now time.Time) {
	after := l.health
	level, what := slog.LevelInfo, ""
	switch {
	case after.Failing && !before.Failing:
		level, what = slog.LevelWarn, "the endpoint is failing; it gets one request at a time until one succeeds"
	case before.RefusedSince.IsZero() && !after.RefusedSince.IsZero() && now.Sub(l.refusalLogged) >= refusalLogInterval:
		l.refusalLogged = now
		what = "the endpoint is held back, as its response with Retry-After asks; its deliveries wait"
	case !before.RefusedSince.IsZero() && after.RefusedSince.IsZero() && now.Sub(before.RefusedSince) >= refusalLogInterval:
		what = "the endpoint accepts requests again"
	default:
		return
	}
	attrs := []slog.Attr{slog.String("subscription", l.subscription.String())}
	if after.NotBefore.After(now) {
		attrs = append(attrs, slog.Time("not_before", after.NotBefore))
	}
	d.o.Log.LogAttrs(context.Background(), level, what, attrs...)
}

// isClosed reports whether a lane's deliveries must wait for longer than a lease, so that they
// should wait in the store.
func (d *Dispatcher) isClosed(l *lane, now time.Time) bool {
	return l.isPaused || l.health.NotBefore.After(now.Add(d.o.Lease))
}

// hold puts w, which was just started, back into its lane, because the endpoint is held back now.
// It returns what this goroutine delivers next.
func (d *Dispatcher) hold(w *work) *work {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping || d.isClosed(w.lane, now) {
		d.lanes.finish(w, resultNeutral, now)
		d.recorder.release(w)
	} else {
		d.lanes.putBack(w, now)
	}
	return d.reuseSlot(now)
}

// refused returns the settlement of a delivery that its endpoint has refused for too long. No
// request is made.
func (d *Dispatcher) refused(w *work, sub event.Subscription, now time.Time) event.Settlement {
	s := event.Settle(w.claimed.Delivery, event.TooLongRefused(sub.Health, now), nil, now, 0)
	d.o.Observer.Attempt(s)
	d.logAttempt(w, sub, s)
	return s
}

// unpark makes parked deliveries due again that no longer need to wait. It returns how long to wait
// before the next call.
func (d *Dispatcher) unpark(ctx context.Context) time.Duration {
	n, err := d.o.Store.Unpark(ctx, time.Now(), unparkLimit)
	d.noteStore(ctx, "could not make parked deliveries due; trying again", err)
	if n > 0 {
		d.hint()
	}
	if n >= unparkLimit {
		return parkPause
	}
	return unparkInterval
}
