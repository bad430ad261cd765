package event

import "time"

// Health is what attempts have shown of a subscription's endpoint, as far as it decides when
// requests to it may start. It is kept beside the subscription and holds on every node.
type Health struct {
	Failing      bool
	FailingSince time.Time // zero if it is not failing
	NotBefore    time.Time // no request starts before; zero if the endpoint has never asked for that
	RefusedSince time.Time // the first refusal without a success since; zero if there is none
	RefusedAt    time.Time // the latest of these refusals
	Refusals     int       // how many of these refusals were of requests that NotBefore allowed
	ChangedAt    time.Time // when the attempt ended that changed it last
}

// A refusal is a response that asks for no further requests for a time: 429, 502, 503 or 504
// with Retry-After. It speaks for the endpoint, not for one delivery.
const (
	// MaxRetryAfter bounds what an endpoint may ask for with Retry-After.
	MaxRetryAfter = 24 * time.Hour
	// MaxRefused is how long a delivery waits for an endpoint that refuses without a success.
	MaxRefused = 24 * time.Hour

	minRefusalWait = 1 * time.Second // after the first refusal; it doubles with each further one
	maxRefusalWait = 5 * time.Minute // up to this, unless the endpoint asks for more
)

// FailuresInRow is how many attempts in a row must fail before an endpoint counts as failing.
const FailuresInRow = 5

// HealthChange is what one attempt says of the endpoint. The zero HealthChange says nothing.
type HealthChange struct {
	Kind       HealthChangeKind
	StartedAt  time.Time     // of the attempt
	At         time.Time     // when it ended
	RetryAfter time.Duration // of a refusal
}

// HealthChangeKind is how an attempt changes an endpoint's health.
type HealthChangeKind uint8

// The kinds of changes.
const (
	HealthUnchanged HealthChangeKind = iota
	HealthRefused                    // the endpoint refused
	HealthFailing                    // as many attempts in a row as FailuresInRow failed
	HealthRecovered                  // it succeeded, after refusals or failures
)

// After returns the health after a change. Applying the same change again changes nothing. A
// success that ended before the last change does not count: it says nothing of the time after.
func (h Health) After(c HealthChange) Health {
	c.StartedAt, c.At = c.StartedAt.UTC().Truncate(time.Microsecond), c.At.UTC().Truncate(time.Microsecond) // as stores keep them
	switch c.Kind {
	case HealthRefused:
		h = h.refuse(c)
	case HealthFailing:
		if !h.Failing && !c.At.Before(h.ChangedAt) {
			h.Failing, h.FailingSince = true, c.At
		}
	case HealthRecovered:
		if !c.At.Before(h.ChangedAt) {
			h = Health{NotBefore: h.NotBefore}
		}
	default:
		return h
	}
	h.ChangedAt = later(h.ChangedAt, c.At)
	return h
}

// refuse moves NotBefore. Requests that were in flight together are refused together: only one
// that began when NotBefore allowed it makes the next wait longer.
func (h Health) refuse(c HealthChange) Health {
	if !c.StartedAt.Before(h.NotBefore) {
		h.Refusals++
	}
	if h.RefusedSince.IsZero() {
		h.RefusedSince = c.At
	}
	wait := minRefusalWait
	for n := 1; n < h.Refusals && wait < maxRefusalWait; n++ {
		wait *= 2
	}
	wait = min(max(c.RetryAfter, min(wait, maxRefusalWait)), MaxRetryAfter)
	h.NotBefore = later(h.NotBefore, c.At.Add(wait))
	h.RefusedAt = later(h.RefusedAt, c.At)
	return h
}

// refusedTooLong returns a time: deliveries that have been due since then, or for longer, have
// been refused for MaxRefused without a break. It is zero if there are none. It counts up to
// the last refusal, or to the time until which the endpoint asked for no requests; a wait that
// only this service added does not count.
func (h Health) refusedTooLong(now time.Time) time.Time {
	if h.RefusedSince.IsZero() {
		return time.Time{}
	}
	refused := later(h.RefusedAt, h.NotBefore.Add(-maxRefusalWait))
	if now.Before(refused) {
		refused = now
	}
	due := refused.Add(-MaxRefused)
	if due.Before(h.RefusedSince) {
		return time.Time{}
	}
	return due
}

// RefusedTooLong reports whether a delivery that is due since the time given ends without
// another attempt.
func (h Health) RefusedTooLong(due, now time.Time) bool {
	since := h.refusedTooLong(now)
	return !since.IsZero() && !due.After(since)
}

// IsUnwell reports whether a success would change it.
func (h Health) IsUnwell() bool { return h.Failing || !h.RefusedSince.IsZero() }

// Latest returns the later of two states of one subscription's health, as two nodes may know
// it. No request starts before the NotBefore of either.
func (h Health) Latest(o Health) Health {
	notBefore := later(h.NotBefore, o.NotBefore)
	if o.ChangedAt.After(h.ChangedAt) {
		h = o
	}
	h.NotBefore = notBefore
	return h
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Gate decides which due deliveries of a subscription may be claimed.
type Gate struct {
	Active bool
	Paused bool
	Health Health
}

// Gate returns the subscription's gate.
func (s *Subscription) Gate() Gate {
	return Gate{Active: s.Active && !s.Deleted(), Paused: s.Paused(), Health: s.Health}
}

// DueUntil returns the latest due time of the deliveries that may be claimed now: now if the
// gate is open, and zero if none may be claimed. In between, it leaves those that have been
// refused for too long, which are settled without a request.
func (g Gate) DueUntil(now time.Time) time.Time {
	switch {
	case !g.Active || g.Paused:
		return time.Time{}
	case g.Health.NotBefore.After(now):
		return g.Health.refusedTooLong(now)
	}
	return now
}

// ParkedOwner and ParkedUntil are the lease of a parked delivery. What is due and waits for
// long, because its subscription is paused or inactive or its endpoint asked for no requests,
// is parked: so the claims, which look for due deliveries without a lease, do not meet it
// again and again. The lease belongs to no node and does not run out.
const ParkedOwner = "parked"

// ParkedUntil is in the year 9999.
var ParkedUntil = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// Parks reports whether what is due and may not be claimed is to be parked. A wait that ends
// before a lease that began now is not worth it.
func (g Gate) Parks(leasedUntil time.Time) bool {
	return !g.Active || g.Paused || g.Health.NotBefore.After(leasedUntil)
}

// probes is how many parked deliveries at once become due again of an endpoint that has
// refused and not succeeded since.
const probes = 8

// Unparks returns which parked deliveries of a subscription are to become due again: at most so
// many, and those that were due at the time given or before.
func (g Gate) Unparks(now time.Time, limit int) (dueUntil time.Time, n int) {
	dueUntil = g.DueUntil(now)
	if dueUntil.Equal(now) && !g.Health.RefusedSince.IsZero() && g.Health.refusedTooLong(now).IsZero() {
		limit = min(limit, probes)
	}
	return dueUntil, limit
}

// NextAttempt returns when the next attempt at a pending delivery may start at the earliest, and
// why it waits, if that is not for its due time alone. The time is zero if that is not known.
func (s *Subscription) NextAttempt(d *Delivery, now time.Time) (at time.Time, why string) {
	switch {
	case s.Deleted():
		return time.Time{}, "the subscription was deleted"
	case !s.Active && s.DisabledReason != "":
		return time.Time{}, "the subscription is not active: " + s.DisabledReason
	case !s.Active:
		return time.Time{}, "the subscription is not active"
	case s.Paused():
		why = "the subscription has been paused since " + s.PausedAt.UTC().Format(time.RFC3339)
		if s.PausedReason != "" {
			why += ": " + s.PausedReason
		}
		return time.Time{}, why
	case s.Sealed != "":
		return time.Time{}, s.Sealed
	case s.Health.NotBefore.After(now) && s.Health.NotBefore.After(d.DueAt):
		return s.Health.NotBefore, "the endpoint asked for no requests before " + s.Health.NotBefore.UTC().Format(time.RFC3339)
	}
	return d.DueAt, ""
}
