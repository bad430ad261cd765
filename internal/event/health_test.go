package event_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/internal/event"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at returns the time that many seconds after noon.
func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

func refusal(started, ended float64, after time.Duration) event.HealthChange {
	return event.HealthChange{Kind: event.HealthRefused, StartedAt: at(started), At: at(ended), RetryAfter: after}
}

func recovery(ended float64) event.HealthChange {
	return event.HealthChange{Kind: event.HealthRecovered, StartedAt: at(ended), At: at(ended)}
}

func failing(ended float64) event.HealthChange {
	return event.HealthChange{Kind: event.HealthFailing, StartedAt: at(ended), At: at(ended)}
}

func TestHealthAfter(t *testing.T) {
	tests := []struct {
		reason  string
		changes []event.HealthChange
		want    event.Health
	}{
		{"nothing changes nothing", []event.HealthChange{{}}, event.Health{}},
		{
			"a refusal holds the endpoint back for as long as it asks",
			[]event.HealthChange{refusal(0, 1, 7*time.Second)},
			event.Health{NotBefore: at(8), RefusedSince: at(1), RefusedAt: at(1), Refusals: 1, ChangedAt: at(1)},
		},
		{
			"but for at least a second",
			[]event.HealthChange{refusal(0, 1, time.Millisecond)},
			event.Health{NotBefore: at(2), RefusedSince: at(1), RefusedAt: at(1), Refusals: 1, ChangedAt: at(1)},
		},
		{
			"and for at most a day",
			[]event.HealthChange{refusal(0, 1, 30*24*time.Hour)},
			event.Health{NotBefore: at(1 + 86400), RefusedSince: at(1), RefusedAt: at(1), Refusals: 1, ChangedAt: at(1)},
		},
		{
			"requests that were in flight together count once",
			[]event.HealthChange{refusal(0, 1, time.Second), refusal(0, 1.1, time.Second), refusal(0.5, 1.2, 5*time.Second)},
			event.Health{NotBefore: at(6.2), RefusedSince: at(1), RefusedAt: at(1.2), Refusals: 1, ChangedAt: at(1.2)},
		},
		{
			"a shorter wait does not shorten a longer one",
			[]event.HealthChange{refusal(0, 1, time.Minute), refusal(0, 2, time.Second)},
			event.Health{NotBefore: at(61), RefusedSince: at(1), RefusedAt: at(2), Refusals: 1, ChangedAt: at(2)},
		},
		{
			"probes that are refused wait for twice as long each time",
			[]event.HealthChange{refusal(0, 0, time.Second), refusal(1, 1, time.Second), refusal(3, 3, time.Second), refusal(7, 7, time.Second)},
			event.Health{NotBefore: at(15), RefusedSince: at(0), RefusedAt: at(7), Refusals: 4, ChangedAt: at(7)},
		},
		{
			"a success ends the refusals, but not the wait",
			[]event.HealthChange{refusal(0, 1, time.Minute), recovery(2)},
			event.Health{NotBefore: at(61), ChangedAt: at(2)},
		},
		{
			"a success that ended before a refusal says nothing about the time after it",
			[]event.HealthChange{refusal(0, 3, time.Minute), recovery(2)},
			event.Health{NotBefore: at(63), RefusedSince: at(3), RefusedAt: at(3), Refusals: 1, ChangedAt: at(3)},
		},
		{
			"after a success, the waits begin again",
			[]event.HealthChange{refusal(0, 0, time.Second), refusal(1, 1, time.Second), recovery(3), refusal(4, 4, time.Second)},
			event.Health{NotBefore: at(5), RefusedSince: at(4), RefusedAt: at(4), Refusals: 1, ChangedAt: at(4)},
		},
		{"failing begins with the first change", []event.HealthChange{failing(1), failing(5)}, event.Health{Failing: true, FailingSince: at(1), ChangedAt: at(5)}},
		{"a success ends it", []event.HealthChange{failing(1), recovery(5)}, event.Health{ChangedAt: at(5)}},
		{"a failure from before a success does not count", []event.HealthChange{failing(1), recovery(5), failing(4)}, event.Health{ChangedAt: at(5)}},
		{
			"an endpoint may fail and refuse",
			[]event.HealthChange{failing(1), refusal(2, 2, time.Second)},
			event.Health{Failing: true, FailingSince: at(1), NotBefore: at(3), RefusedSince: at(2), RefusedAt: at(2), Refusals: 1, ChangedAt: at(2)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			var h event.Health
			for _, c := range tt.changes {
				h = h.After(c)
				if again := h.After(c); again != h {
					t.Errorf("applying the same change again turns %+v into %+v", h, again)
				}
			}
			if diff := cmp.Diff(tt.want, h); diff != "" {
				t.Errorf("health (- wanted, + found):\n%s", diff)
			}
		})
	}
}

// The waits between probes that an endpoint refuses with Retry-After: 1 must double. They are in
// seconds.
func TestWaitsOfProbes(t *testing.T) {
	var h event.Health
	now := 0.0
	for i, want := range []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300} {
		h = h.After(refusal(now, now, time.Second))
		if got := h.NotBefore.Sub(at(now)).Seconds(); got != want {
			t.Errorf("probe %d: a wait of %v s, want %v s", i+1, got, want)
		}
		now += want
	}
}

// No request may start before a time that an endpoint has asked for. That must not depend on the
// order in which a node learns of changes.
func TestNotBeforeNeverMovesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h event.Health
		latest := time.Time{}
		for range rapid.IntRange(1, 20).Draw(t, "changes") {
			ended := float64(rapid.IntRange(0, 1000).Draw(t, "ended"))
			c := rapid.SampledFrom([]event.HealthChange{
				refusal(ended-float64(rapid.IntRange(0, 60).Draw(t, "took")), ended, time.Duration(rapid.IntRange(1, 1000).Draw(t, "asked"))*time.Second),
				recovery(ended), failing(ended),
			}).Draw(t, "change")
			if c.Kind == event.HealthRefused && c.At.Add(c.RetryAfter).After(latest) {
				latest = c.At.Add(c.RetryAfter)
			}
			h = h.After(c)
			if h.NotBefore.Before(latest) {
				t.Fatalf("requests may start at %v, but the endpoint asked for none until %v", h.NotBefore, latest)
			}
		}
	})
}

func TestGate(t *testing.T) {
	day := 24 * time.Hour
	open := event.Gate{Active: true}
	refused := func(since, last, notBefore time.Time) event.Gate {
		return event.Gate{Active: true, Health: event.Health{RefusedSince: since, RefusedAt: last, NotBefore: notBefore, Refusals: 3}}
	}
	now := noon.Add(5 * day)
	tests := []struct {
		reason   string
		gate     event.Gate
		dueUntil time.Time
		parks    bool // with a lease of 12 s
	}{
		{"open", open, now, false},
		{"inactive", event.Gate{}, time.Time{}, true},
		{"paused", event.Gate{Active: true, Paused: true}, time.Time{}, true},
		{"a short wait", refused(now.Add(-time.Minute), now, now.Add(10*time.Second)), time.Time{}, false},
		{"a long wait", refused(now.Add(-time.Minute), now, now.Add(time.Minute)), time.Time{}, true},
		{"a wait that is over", refused(now.Add(-time.Minute), now, now), now, false},
		{"refused for a day, for the last time now", refused(now.Add(-day), now, now.Add(time.Minute)), now.Add(-day), true},
		{"refused for three days", refused(now.Add(-3*day), now.Add(-time.Minute), now.Add(4*time.Minute)), now.Add(-time.Minute - day), true},
		{"the last refusal was within the day, and the wait is the service's own", refused(now.Add(-day), now.Add(-time.Minute), now.Add(4*time.Minute)), time.Time{}, true},
		{"the endpoint itself asked for more than the day", refused(now.Add(-day), now.Add(-time.Hour), now.Add(time.Hour)), now.Add(-day), true},
		{"refused for long, and paused", event.Gate{Active: true, Paused: true, Health: event.Health{RefusedSince: now.Add(-3 * day), RefusedAt: now, NotBefore: now.Add(time.Hour)}}, time.Time{}, true},
	}
	for _, tt := range tests {
		if got := tt.gate.DueUntil(now); !got.Equal(tt.dueUntil) {
			t.Errorf("%s: the gate permits what is due until %v, want %v", tt.reason, got, tt.dueUntil)
		}
		if got := tt.gate.Parks(now.Add(12 * time.Second)); got != tt.parks {
			t.Errorf("%s: parks is %v", tt.reason, got)
		}
		if got, _ := tt.gate.Unparks(now, 100); !got.Equal(tt.dueUntil) {
			t.Errorf("%s: what is due until %v is unparked, want the same as the gate permits", tt.reason, got)
		}
		for _, due := range []time.Time{tt.dueUntil, tt.dueUntil.Add(time.Microsecond)} {
			tooLong := tt.gate.Health.RefusedTooLong(due, now)
			if want := !due.After(tt.dueUntil) && tt.dueUntil.Before(now) && !tt.dueUntil.IsZero(); tt.gate.Active && !tt.gate.Paused && tooLong != want {
				t.Errorf("%s: due at %v is refused too long: %v", tt.reason, due, tooLong)
			}
		}
	}
}

func TestLatestHealth(t *testing.T) {
	a := event.Health{NotBefore: at(100), RefusedSince: at(1), RefusedAt: at(2), Refusals: 2, ChangedAt: at(2)}
	b := event.Health{NotBefore: at(50), ChangedAt: at(3)}
	want := event.Health{NotBefore: at(100), ChangedAt: at(3)}
	for _, got := range []event.Health{a.Latest(b), b.Latest(a)} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the latest (- wanted, + found):\n%s", diff)
		}
	}
}

func TestNextAttempt(t *testing.T) {
	due := noon.Add(time.Minute)
	tests := []struct {
		reason string
		sub    event.Subscription
		at     time.Time
		why    string
	}{
		{"its due time", event.Subscription{Active: true}, due, ""},
		{"a time that the endpoint asked for", event.Subscription{Active: true, Health: event.Health{NotBefore: noon.Add(time.Hour)}}, noon.Add(time.Hour), "the endpoint is held back until 2026-03-01T13:00:00Z, after a response with Retry-After"},
		{"a wait that is over", event.Subscription{Active: true, Health: event.Health{NotBefore: noon.Add(-time.Hour)}}, due, ""},
		{"a wait that ends before the due time", event.Subscription{Active: true, Health: event.Health{NotBefore: noon.Add(time.Second)}}, due, ""},
		{"a pause", event.Subscription{Active: true, PausedAt: noon, PausedReason: "maintenance"}, time.Time{}, "the subscription has been paused since 2026-03-01T12:00:00Z: maintenance"},
		{"not active", event.Subscription{}, time.Time{}, "the subscription is not active"},
		{"not active, by the service", event.Subscription{DisabledReason: "gone"}, time.Time{}, "the subscription is not active: gone"},
		{"deleted", event.Subscription{DeletedAt: noon}, time.Time{}, "the subscription was deleted"},
		{"sealed", event.Subscription{Active: true, Sealed: "no key"}, time.Time{}, "no key"},
	}
	for _, tt := range tests {
		at, why := tt.sub.NextAttempt(&event.Delivery{DueAt: due}, noon)
		if !at.Equal(tt.at) || why != tt.why {
			t.Errorf("%s: at %v because %q, want %v because %q", tt.reason, at, why, tt.at, tt.why)
		}
	}
}
