package event

import "time"

// Health is what past attempts say about a subscription's endpoint. It decides when requests
// to the endpoint may start. It is stored with the subscription and applies on every node.
type Health struct {
	Failing      bool
	FailingSince time.Time // zero if it is not failing
	NotBefore    time.Time // no request starts before this time; zero if the endpoint was never held back
	RefusedSince time.Time // the first refusal since the last success; zero if there is none
	RefusedAt    time.Time // the latest of these refusals
	Refusals     int       // how many of these refusals were of requests that NotBefore allowed
	ChangedAt    time.Time // when the attempt that last changed it ended
}

// A refusal is a response of 429, 502, 503 or 504 with Retry-After. The endpoint is then held
// back, which applies to all requests to it and not only to one delivery.
const (
	// MaxRetryAfter is the longest time for which Retry-After holds an endpoint back.
	MaxRetryAfter = 24 * time.Hour
	// MaxRefused is how long a delivery waits for an endpoint that refuses every request.
	MaxRefused = 24 * time.Hour

	minRefusalWait = 1 * time.Second // after the first refusal; it doubles with each further one
	maxRefusalWait = 5 * time.Minute // the limit of doubling; the endpoint may ask for more
)

// FailuresInRow is how many attempts must fail in a row before an endpoint is failing.
const FailuresInRow = 5

// HealthChange is what one attempt says about the endpoint. The zero value changes nothing.
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
	HealthFailing                    // FailuresInRow attempts in a row failed
	HealthRecovered                  // an attempt succeeded after refusals or failures
)

// After returns the health after a change. Applying the same change again changes nothing. A
// success that ended before the last change is ignored, because it says nothing about the time
// since that change.
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

// refuse moves NotBefore. Requests that are in flight together are refused together, so the next
// wait becomes longer only if NotBefore allowed the request that was refused.
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

// refusedTooLong returns the latest due time of the deliveries that have been refused for
// MaxRefused without a success, or zero if there are none. That time ends with the last refusal
// or, if that is later, with the wait that the endpoint asked for with Retry-After. A wait that
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

// RefusedTooLong reports whether a delivery that has been due since the given time fails
// without another attempt, because its endpoint has refused requests for MaxRefused.
func (h Health) RefusedTooLong(due, now time.Time) bool {
	since := h.refusedTooLong(now)
	return !since.IsZero() && !due.After(since)
}

// IsUnwell reports whether the endpoint is failing or has refused requests since its last
// success, so that a success would change its health.
func (h Health) IsUnwell() bool { return h.Failing || !h.RefusedSince.IsZero() }

// Latest merges two nodes' views of one subscription's health. It returns the later one, with
// the later NotBefore of the two.
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

// DueUntil returns the latest due time of the deliveries that may be claimed now. It is now if
// the gate is open, and zero if no delivery may be claimed. While the endpoint is held back,
// only those that have been refused for too long may be claimed, to fail without a request.
func (g Gate) DueUntil(now time.Time) time.Time {
	switch {
	case !g.Active || g.Paused:
		return time.Time{}
	case g.Health.NotBefore.After(now):
		return g.Health.refusedTooLong(now)
	}
	return now
}

// ParkedOwner and ParkedUntil are the lease of a parked delivery. A due delivery is parked if
// its subscription is paused or inactive, or its endpoint is held back for long. Claims look
// for due deliveries without a lease, so they do not find it again and again. The lease belongs
// to no node and never runs out.
const ParkedOwner = "parked"

// ParkedUntil is so late that the lease never runs out.
var ParkedUntil = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// Parks reports whether due deliveries that may not be claimed are parked. leasedUntil is the end
// of a lease that begins now. It is not worth parking deliveries for a wait that ends before that.
func (g Gate) Parks(leasedUntil time.Time) bool {
	return !g.Active || g.Paused || g.Health.NotBefore.After(leasedUntil)
}

// probes is how many deliveries are unparked at once if the endpoint has refused requests and
// has not succeeded since.
const probes = 8

// Unparks returns which parked deliveries of a subscription may become due again: at most n of
// those that were due by dueUntil.
func (g Gate) Unparks(now time.Time, limit int) (dueUntil time.Time, n int) {
	dueUntil = g.DueUntil(now)
	if dueUntil.Equal(now) && !g.Health.RefusedSince.IsZero() && g.Health.refusedTooLong(now).IsZero() {
		limit = min(limit, probes)
	}
	return dueUntil, limit
}

// NextAttempt returns the earliest time at which the next attempt at a pending delivery may
// start, or zero if that is unknown. why says what the delivery waits for besides its due time, or
// is "".
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
		return s.Health.NotBefore, "the endpoint is held back until " + s.Health.NotBefore.UTC().Format(time.RFC3339) + ", after a response with Retry-After"
	}
	return d.DueAt, ""
}
