package event

import (
	"fmt"
	"math"
	"time"
)

// JitterShare is the largest share of its delay by which a retry may be early or late.
const JitterShare = 0.10

// RetryPolicy is a retry schedule: the delay before each retry. The first entry is the delay
// between the first and the second attempt. An empty policy means one attempt and no retries.
type RetryPolicy []time.Duration

// Exponential returns a policy with the given number of retries. The delays start with first
// and double, up to MaxRetryAfter.
func Exponential(first time.Duration, retries int) RetryPolicy {
	p := make(RetryPolicy, 0, max(retries, 0))
	for delay := first; len(p) < retries; delay *= 2 {
		delay = min(delay, MaxRetryAfter)
		p = append(p, delay)
	}
	return p
}

// WithRetries returns the policy with the given number of retries: truncated, or extended by
// repeating its last delay.
func (p RetryPolicy) WithRetries(retries int) RetryPolicy {
	q := make(RetryPolicy, 0, max(retries, 0))
	for i := 0; i < retries && len(p) > 0; i++ {
		q = append(q, p[min(i, len(p)-1)])
	}
	return q
}

// Window returns the longest possible time from the first attempt to the last. It does not
// include waits for Retry-After or the duration of the attempts. If the sum overflows, Window
// returns the longest Duration.
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

// Settle decides the state of a delivery after an attempt. d is the delivery as it was claimed,
// o is the outcome, and at is when the attempt ended. The delivery's position in the schedule p
// is Attempts - RoundFrom, counted before the attempt.
//
// jitter is a random number in [0, 1) that moves a retry by up to ±JitterShare of its delay. A
// refusal uses no step of the schedule and does not change when the delivery is due, because the
// subscription's Health decides when requests may start again.
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
		s.DisableReason = fmt.Sprintf("the endpoint responded with 410 Gone at %s", at.UTC().Format(time.RFC3339))
	}
	s.Delivery = d
	return s
}

// SettleOnly is like Settle, for the only attempt that an event may have: if it does not succeed, the
// delivery has failed, even if the endpoint asked for a later attempt.
func SettleOnly(d Delivery, o Outcome, at time.Time) Settlement {
	s := Settle(d, o, nil, at, 0)
	if s.Delivery.Status == Pending {
		s.Delivery.Status, s.Delivery.SettledAt, s.Delivery.RoundFrom = Failed, at, d.RoundFrom
	}
	return s
}
