package event_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/internal/event"
)

func TestExponential(t *testing.T) {
	tests := []struct {
		reason  string
		first   time.Duration
		retries int
		want    event.RetryPolicy
	}{
		{"no retries", time.Second, 0, event.RetryPolicy{}},
		{"a negative number means none", time.Second, -1, event.RetryPolicy{}},
		{"each delay is twice the previous one", time.Second, 4, event.RetryPolicy{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}},
		{"no delay is longer than a day", 10 * time.Hour, 4, event.RetryPolicy{10 * time.Hour, 20 * time.Hour, 24 * time.Hour, 24 * time.Hour}},
		{"not even the first", 48 * time.Hour, 2, event.RetryPolicy{24 * time.Hour, 24 * time.Hour}},
		{"the longest Duration does not overflow", math.MaxInt64, 2, event.RetryPolicy{24 * time.Hour, 24 * time.Hour}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			if got := event.Exponential(tt.first, tt.retries); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestExponentialProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "first"))
		retries := rapid.IntRange(0, 200).Draw(t, "retries")
		p := event.Exponential(first, retries)
		if len(p) != retries {
			t.Fatalf("%d delays, want %d", len(p), retries)
		}
		for i, d := range p {
			if d <= 0 || d > event.MaxRetryAfter || i > 0 && d < p[i-1] {
				t.Fatalf("delay %d of %v is %v", i, first, d)
			}
		}
	})
}

func TestWithRetries(t *testing.T) {
	base := event.RetryPolicy{time.Second, time.Minute, time.Hour}
	tests := []struct {
		reason  string
		policy  event.RetryPolicy
		retries int
		want    event.RetryPolicy
	}{
		{"the same number", base, 3, base},
		{"fewer retries truncate it", base, 1, event.RetryPolicy{time.Second}},
		{"no retries empty it", base, 0, event.RetryPolicy{}},
		{"a negative number means none", base, -1, event.RetryPolicy{}},
		{"more retries repeat the last delay", base, 5, event.RetryPolicy{time.Second, time.Minute, time.Hour, time.Hour, time.Hour}},
		{"an empty policy has no delay to repeat", nil, 3, event.RetryPolicy{}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			before := slices.Clone(tt.policy)
			got := tt.policy.WithRetries(tt.retries)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if len(got) > 0 {
				got[0] = -1
			}
			if !slices.Equal(tt.policy, before) {
				t.Errorf("the original policy was changed to %v", tt.policy)
			}
		})
	}
}

func TestWindow(t *testing.T) {
	tests := []struct {
		reason string
		policy event.RetryPolicy
		want   time.Duration
	}{
		{"no retries need no time", nil, 0},
		{"the window includes the longest jitter", event.RetryPolicy{10 * time.Second}, 11 * time.Second},
		{"delays add up", event.RetryPolicy{10 * time.Second, 100 * time.Second}, 121 * time.Second},
		{"one delay that is too long to add to", event.RetryPolicy{math.MaxInt64}, math.MaxInt64},
		{"many that are too long together", slices.Repeat(event.RetryPolicy{math.MaxInt64 / 3}, 4), math.MaxInt64},
		{"a sum that overflows with the last delay", append(slices.Repeat(event.RetryPolicy{math.MaxInt64 / 11}, 10), time.Hour), math.MaxInt64},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			if got := tt.policy.Window(); (got - tt.want).Abs() > time.Microsecond {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestWindowHoldsEveryRetry plays a policy with the longest possible delays.
func TestWindowHoldsEveryRetry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPolicy(math.MaxInt64).Draw(t, "policy")
		window := p.Window()
		if window < 0 {
			t.Fatalf("the window of %v is %v", p, window)
		}
		for i, d := range p {
			if d > window {
				t.Fatalf("the window of %v is %v, less than delay %d", p, window, i)
			}
		}
		p = anyPolicy(365*24*time.Hour).Draw(t, "policy of at most a year each")
		d, now := claimed(0), ended
		for range p {
			d = event.Settle(d, event.Outcome{StartedAt: now, Code: event.CodeTimeout}, p, now, 0.9999999).Delivery
			now = d.DueAt
		}
		if took := now.Sub(ended); took > p.Window()+time.Duration(len(p)) {
			t.Fatalf("the retries of %v took %v, the window is %v", p, took, p.Window())
		}
	})
}

func TestPolicyOfSubscription(t *testing.T) {
	service := event.RetryPolicy{time.Minute}
	tests := []struct {
		reason string
		own    event.RetryPolicy
		want   event.RetryPolicy
	}{
		{"nil is the service's", nil, service},
		{"empty is no retries", event.RetryPolicy{}, event.RetryPolicy{}},
		{"its own", event.RetryPolicy{time.Hour}, event.RetryPolicy{time.Hour}},
	}
	for _, tt := range tests {
		if got := (event.Subscription{Settings: event.Settings{RetrySchedule: tt.own}}).Policy(service); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.reason, got, tt.want)
		}
	}
}
