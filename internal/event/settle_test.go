package event_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/internal/event"
)

var (
	started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ended   = started.Add(150 * time.Millisecond)
)

// claimed returns a delivery that a node has claimed after the given number of attempts.
func claimed(attempts int) event.Delivery {
	return event.Delivery{
		ID: event.ID{1}, EventID: event.ID{2}, SubscriptionID: event.ID{3},
		Status: event.Pending, Attempts: attempts, DueAt: started.Add(-time.Second),
		LeaseOwner: "node-a", LeasedUntil: started.Add(time.Minute), CreatedAt: started.Add(-time.Hour),
	}
}

func TestSettle(t *testing.T) {
	policy := event.RetryPolicy{10 * time.Second, time.Minute}
	const refused = -1 // instead of a wait: the delivery keeps its due time
	status := func(code int) event.Outcome { return event.Outcome{StatusCode: code, Code: event.CodeStatus} }
	after := func(code int, d time.Duration) event.Outcome {
		return event.Outcome{StatusCode: code, Code: event.CodeStatus, RetryAfter: d}
	}
	tests := []struct {
		reason   string
		attempts int // made before
		outcome  event.Outcome
		policy   event.RetryPolicy
		want     event.Status
		wait     time.Duration // until the next attempt, if it stays pending
		disables bool
	}{
		{"a success ends it", 0, event.Outcome{StatusCode: 200}, policy, event.Delivered, 0, false},
		{"a success ends it on the last attempt too", 2, event.Outcome{StatusCode: 204}, policy, event.Delivered, 0, false},
		{"a success needs no policy", 0, event.Outcome{StatusCode: 200}, nil, event.Delivered, 0, false},
		{"after the first failure, it waits for the first delay", 0, status(500), policy, event.Pending, 10 * time.Second, false},
		{"after the second failure, it waits for the second", 1, status(500), policy, event.Pending, time.Minute, false},
		{"it fails after the last retry", 2, status(500), policy, event.Failed, 0, false},
		{"without retries, it fails at once", 0, status(500), nil, event.Failed, 0, false},
		{"an empty policy means no retries", 0, status(500), event.RetryPolicy{}, event.Failed, 0, false},
		{"a policy that was made shorter meanwhile", 7, status(500), policy, event.Failed, 0, false},
		{"a client error is retried like any other", 0, status(404), policy, event.Pending, 10 * time.Second, false},
		{"a redirect is retried", 0, event.Outcome{StatusCode: 302, Code: event.CodeRedirect}, policy, event.Pending, 10 * time.Second, false},
		{"a timeout is retried", 0, event.Outcome{Code: event.CodeTimeout}, policy, event.Pending, 10 * time.Second, false},
		{"an unknown code is retried", 0, event.Outcome{Code: "new"}, policy, event.Pending, 10 * time.Second, false},
		{"410 ends it and disables", 0, event.Outcome{StatusCode: 410, Code: event.CodeGone}, policy, event.Failed, 0, true},
		{"410 disables on the last attempt too", 2, event.Outcome{StatusCode: 410, Code: event.CodeGone}, policy, event.Failed, 0, true},
		{"a blocked target ends it", 0, event.Outcome{Code: event.CodeBlocked}, policy, event.Failed, 0, false},
		{"a target that can't be called ends it", 0, event.Outcome{Code: event.CodeBadTarget}, policy, event.Failed, 0, false},
		{"a negative Retry-After is none", 0, after(503, -time.Hour), policy, event.Pending, 10 * time.Second, false},
		{"a refusal leaves it due", 0, after(429, 30*time.Second), policy, event.Pending, refused, false},
		{"a refusal uses no step", 2, after(503, time.Second), policy, event.Pending, refused, false},
		{"a refusal ends nothing, even without retries", 0, after(502, time.Second), nil, event.Pending, refused, false},
		{"a success with Retry-After is a success", 0, event.Outcome{StatusCode: 200, RetryAfter: time.Hour}, policy, event.Delivered, 0, false},
		{"refused for too long ends it", 0, event.Outcome{Code: event.CodeRefusedTooLong}, policy, event.Failed, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			d, o := claimed(tt.attempts), tt.outcome
			o.StartedAt = started
			s := event.Settle(d, o, tt.policy, ended, 0.5) // in the middle: no jitter

			want := d
			want.Status, want.Attempts = tt.want, tt.attempts+1
			want.LeaseOwner, want.LeasedUntil = "", time.Time{}
			switch {
			case tt.wait == refused:
				want.RoundFrom++
			case tt.want == event.Pending:
				want.DueAt = ended.Add(tt.wait)
			default:
				want.SettledAt = ended
			}
			if tt.want == event.Delivered {
				want.DeliveredAt = ended
			}
			if diff := cmp.Diff(want, s.Delivery); diff != "" {
				t.Errorf("delivery (- wanted, + found):\n%s", diff)
			}
			if (s.DisableReason != "") != tt.disables {
				t.Errorf("the reason to disable is %q", s.DisableReason)
			}
			attempt := event.Attempt{ID: s.Attempt.ID, DeliveryID: d.ID, SubscriptionID: d.SubscriptionID, Number: tt.attempts + 1, Outcome: o}
			if diff := cmp.Diff(attempt, s.Attempt); diff != "" {
				t.Errorf("attempt (- wanted, + found):\n%s", diff)
			}
			if !s.Attempt.ID.Time().Equal(started) {
				t.Errorf("the attempt's id is of %v, want when it started", s.Attempt.ID.Time())
			}
		})
	}
}

var codes = []event.Code{
	"", event.CodeTimeout, event.CodeDNS, event.CodeConnectionRefused, event.CodeConnectionReset, event.CodeConnectionClosed,
	event.CodeUnreachable, event.CodeTLSExpired, event.CodeTLSUntrusted, event.CodeTLSWrongHost, event.CodeTLS,
	event.CodeRedirect, event.CodeGone, event.CodeStatus, event.CodeBadResponse, event.CodeBlocked, event.CodeBadTarget, event.CodeDamaged,
	event.CodeRefusedTooLong, event.CodeNetwork,
}

func anyOutcome() *rapid.Generator[event.Outcome] {
	return rapid.Custom(func(t *rapid.T) event.Outcome {
		return event.Outcome{
			StartedAt:  started,
			Code:       rapid.SampledFrom(codes).Draw(t, "code"),
			StatusCode: rapid.IntRange(0, 599).Draw(t, "status"),
			RetryAfter: time.Duration(rapid.SampledFrom([]int64{0, 0, 0, -1, 1, 1e9, math.MaxInt64}).Draw(t, "retry after")),
		}
	})
}

func anyPolicy(longest time.Duration) *rapid.Generator[event.RetryPolicy] {
	return rapid.Map(rapid.SliceOfN(rapid.Int64Range(1, int64(longest)), 0, 12), func(ns []int64) event.RetryPolicy {
		p := make(event.RetryPolicy, len(ns))
		for i, n := range ns {
			p[i] = time.Duration(n)
		}
		return p
	})
}

// TestSettleToTheEnd takes a delivery from its first attempt to its last.
func TestSettleToTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := anyPolicy(30*24*time.Hour).Draw(t, "policy")
		d, now := claimed(0), ended
		for d.Status == event.Pending {
			if d.Attempts-d.RoundFrom > len(policy) {
				t.Fatalf("after %d attempts it is still pending; the policy has %d retries", d.Attempts, len(policy))
			}
			o := anyOutcome().Draw(t, "outcome")
			jitter := rapid.Float64Range(0, 0.999999999).Draw(t, "jitter")
			s := event.Settle(d, o, policy, now, jitter)
			checkSettlement(t, d, s, policy, now)
			d, now = s.Delivery, s.Delivery.DueAt
			d.LeaseOwner, d.LeasedUntil = "node-b", now.Add(time.Minute)
		}
	})
}

func checkSettlement(t *rapid.T, before event.Delivery, s event.Settlement, policy event.RetryPolicy, at time.Time) {
	d, o := s.Delivery, s.Attempt.Outcome
	if d.Attempts != before.Attempts+1 || s.Attempt.Number != d.Attempts || d.LeaseOwner != "" || !d.LeasedUntil.IsZero() {
		t.Fatalf("%+v became %+v with attempt %d", before, d, s.Attempt.Number)
	}
	if d.ID != before.ID || d.EventID != before.EventID || d.SubscriptionID != before.SubscriptionID || d.CreatedAt != before.CreatedAt {
		t.Fatalf("%+v became another delivery: %+v", before, d)
	}
	if (s.DisableReason != "") != (o.Code == event.CodeGone) {
		t.Fatalf("code %q gave the reason %q", o.Code, s.DisableReason)
	}
	switch {
	case o.Success():
		wantSettled(t, d, event.Delivered, at)
	case o.Refused():
		if d.Status != event.Pending || !d.DueAt.Equal(before.DueAt) || d.RoundFrom != before.RoundFrom+1 {
			t.Fatalf("a refusal turned %+v into %+v", before, d)
		}
	case o.Final(), before.Attempts-before.RoundFrom >= len(policy):
		wantSettled(t, d, event.Failed, at)
	default:
		wantRetry(t, d, policy[before.Attempts-before.RoundFrom], at)
	}
}

func wantSettled(t *rapid.T, d event.Delivery, status event.Status, at time.Time) {
	if d.Status != status || !d.SettledAt.Equal(at) {
		t.Fatalf("it is %v, settled at %v; want %v at %v", d.Status, d.SettledAt, status, at)
	}
}

func wantRetry(t *rapid.T, d event.Delivery, delay time.Duration, at time.Time) {
	const rounding = 1 // nanosecond
	earliest, latest := delay-delay/10-rounding, delay+delay/10+rounding
	wait := d.DueAt.Sub(at)
	if d.Status != event.Pending || !d.SettledAt.IsZero() || wait < earliest || wait > latest {
		t.Fatalf("it is %v and waits %v; want pending for %v to %v", d.Status, wait, earliest, latest)
	}
}

func TestJitterReachesBothEnds(t *testing.T) {
	policy := event.RetryPolicy{100 * time.Second}
	for jitter, want := range map[float64]time.Duration{0: 90 * time.Second, 0.25: 95 * time.Second, 0.5: 100 * time.Second, 0.75: 105 * time.Second} {
		s := event.Settle(claimed(0), event.Outcome{StartedAt: started, Code: event.CodeTimeout}, policy, ended, jitter)
		if got := s.Delivery.DueAt.Sub(ended); (got - want).Abs() > time.Microsecond {
			t.Errorf("jitter %v: waits %v, want %v", jitter, got, want)
		}
	}
}

// The only attempt of an event settles its delivery, whatever the endpoint asks for.
func TestSettleOnly(t *testing.T) {
	for _, tt := range []struct {
		reason string
		o      event.Outcome
		want   event.Status
	}{
		{"a success", event.Outcome{StatusCode: 200}, event.Delivered},
		{"a failure", event.Outcome{StatusCode: 500, Code: event.CodeStatus}, event.Failed},
		{"no response", event.Outcome{Code: event.CodeTimeout}, event.Failed},
		{"a refusal", event.Outcome{StatusCode: 429, Code: event.CodeStatus, RetryAfter: time.Minute}, event.Failed},
		{"410", event.Outcome{StatusCode: 410, Code: event.CodeGone}, event.Failed},
	} {
		d := claimed(3)
		d.RoundFrom = 3
		s := event.SettleOnly(d, tt.o, ended)
		if s.Delivery.Status != tt.want || !s.Delivery.SettledAt.Equal(ended) || s.Delivery.Attempts != 4 || s.Delivery.RoundFrom != 3 || s.Delivery.LeaseOwner != "" {
			t.Errorf("%s: %+v, want %v", tt.reason, s.Delivery, tt.want)
		}
		if (s.DisableReason != "") != (tt.o.StatusCode == 410) {
			t.Errorf("%s: disables because %q", tt.reason, s.DisableReason)
		}
	}
}
