package event

import (
	"fmt"
	"math"
	"time"
)

// JitterShare is how far a retry may be moved from its scheduled delay, either way.
const JitterShare = 0.10

// RetryPolicy is the delay before each retry: the first entry before the second
// attempt, and so on. No entries means one attempt and no more.
type RetryPolicy []time.Duration

// Exponential is a policy of so many retries whose delays double from the first.
// A delay is never longer than MaxRetryAfter.
func Exponential(first time.Duration, retries int) RetryPolicy {
	p := make(RetryPolicy, 0, max(retries, 0))
	for delay := first; len(p) < retries; delay *= 2 {
		delay = min(delay, MaxRetryAfter)
		p = append(p, delay)
	}
	return p
}

// WithRetries cuts the policy to so many retries, or makes it longer by repeating
// its last delay.
func (p RetryPolicy) WithRetries(retries int) RetryPolicy {
	q := make(RetryPolicy, 0, max(retries, 0))
	for i := 0; i < retries && len(p) > 0; i++ {
		q = append(q, p[min(i, len(p)-1)])
	}
	return q
}

// Window is the longest time from the first attempt to the last, without what
// receivers ask for by Retry-After and without the attempts' own duration. What is
// too long to be counted is as long as can be.
func (p RetryPolicy) Window() time.Duration {
	const forever = time.Duration(math.MaxInt64)
	var sum time.Duration
	for _, d := range p {
		jitter := time.Duration(float64(d) * JitterShare)
		if d > forever-jitter || sum > forever-jitter-d {
			return forever
		}
		sum += d + jitter
	}
	return sum
}

// Settle says what becomes of a delivery that was claimed at d, after an attempt that
// ended at the time given with the outcome o. The delivery's place in the schedule p is
// Attempts - RoundFrom, counted before the attempt.
//
// jitter is a random number in [0, 1), which moves a retry by up to ±JitterShare
// of its delay. A refusal uses no step of the schedule, and the delivery stays due when it
// was: the subscription's Health says when requests may start again.
func Settle(d Delivery, o Outcome, p RetryPolicy, at time.Time, jitter float64) Settlement {
	d.Attempts++
	d.LeaseOwner, d.LeasedUntil = "", time.Time{}
	s := Settlement{Attempt: Attempt{
		ID:             NewID(o.StartedAt),
		DeliveryID:     d.ID,
		SubscriptionID: d.SubscriptionID,
		Number:         d.Attempts,
		Outcome:        o,
	}}

	switch retry := d.Attempts - d.RoundFrom - 1; {
	case o.Success():
		d.deliver(at)
	case o.Refused():
		d.RoundFrom++
	case o.Final() || retry >= len(p):
		d.Status, d.SettledAt = Failed, at
	default:
		delay := p[retry]
		delay += time.Duration(float64(delay) * JitterShare * (2*jitter - 1))
		d.DueAt = at.Add(delay)
	}
	if o.Code == CodeGone {
		s.DisableReason = fmt.Sprintf("the endpoint answered 410 Gone at %s", at.UTC().Format(time.RFC3339))
	}
	s.Delivery = d
	return s
}
