package event_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/internal/event"
)

func TestApply(t *testing.T) {
	policy := event.RetryPolicy{10 * time.Second, time.Minute}
	ok, bad := event.Outcome{StatusCode: 200}, event.Outcome{StatusCode: 500, Code: event.CodeStatus}
	edit := func(edits ...func(*event.Delivery)) event.Delivery {
		d := claimed(1)
		for _, e := range edits {
			e(&d)
		}
		return d
	}
	settled := func(status event.Status) func(*event.Delivery) {
		return func(d *event.Delivery) {
			d.Status, d.SettledAt = status, started.Add(-time.Minute)
			d.LeaseOwner, d.LeasedUntil = "", time.Time{}
		}
	}
	resent := func(d *event.Delivery) { d.Round, d.RoundFrom = d.Round+1, d.Attempts }
	stray := func(d *event.Delivery) { d.Attempts, d.RoundFrom, d.Stray = d.Attempts+1, d.RoundFrom+1, d.Stray+1 }
	overtaken := func(d *event.Delivery) { d.Attempts++ }
	for _, tt := range []struct {
		reason  string
		row     event.Delivery
		outcome event.Outcome
		want    event.Status
		strays  bool
	}{
		{"nothing happened meanwhile, and it failed", edit(), bad, event.Pending, false},
		{"nothing happened meanwhile, and it succeeded", edit(), ok, event.Delivered, false},
		{"only a stray was recorded meanwhile", edit(stray), bad, event.Pending, false},
		{"two strays were recorded meanwhile", edit(stray, stray), ok, event.Delivered, false},
		{"another attempt used the step", edit(overtaken), bad, event.Pending, true},
		{"another attempt used the step, and the late one succeeded", edit(overtaken), ok, event.Delivered, true},
		{"it was cancelled meanwhile", edit(settled(event.Cancelled)), bad, event.Cancelled, true},
		{"it was cancelled meanwhile, and the endpoint has it", edit(settled(event.Cancelled)), ok, event.Delivered, true},
		{"it was resent meanwhile", edit(resent), bad, event.Pending, true},
		{"it was resent meanwhile, and the endpoint has it", edit(resent), ok, event.Delivered, true},
		{"it failed meanwhile", edit(overtaken, settled(event.Failed)), bad, event.Failed, true},
		{"it failed meanwhile, and the endpoint has it", edit(overtaken, settled(event.Failed)), ok, event.Delivered, true},
		{"it was delivered meanwhile", edit(overtaken, settled(event.Delivered)), bad, event.Delivered, true},
		{"it was delivered meanwhile, twice", edit(overtaken, settled(event.Delivered)), ok, event.Delivered, true},
		{"a backup from before the claim was restored", edit(func(d *event.Delivery) { d.Attempts = 0 }), bad, event.Pending, true},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			s := event.Settle(claimed(1), tt.outcome, policy, ended, 0.5)
			got := event.Apply(tt.row, s)
			if got.Status != tt.want || got.Attempts != tt.row.Attempts+1 || got.Round != tt.row.Round {
				t.Errorf("it is %v with %d attempts in round %d", got.Status, got.Attempts, got.Round)
			}
			if strays := got.Stray == tt.row.Stray+1 && got.RoundFrom == tt.row.RoundFrom+1; strays != tt.strays {
				t.Errorf("it counts as a stray: %v", strays)
			}
			if tt.strays && got.Status == tt.row.Status {
				want := tt.row
				want.Attempts, want.RoundFrom, want.Stray = got.Attempts, got.RoundFrom, got.Stray
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the rest (- wanted, + found):\n%s", diff)
				}
			}
			if got.Status != event.Pending && got.LeaseOwner != "" {
				t.Errorf("it is %v and leased", got.Status)
			}
		})
	}
}

// Attempts, cancels and resends happen in a random order. The counts of attempts and strays must be
// right, DeliveredAt must be the first success, and an attempt must count as a step of its round
// only if nothing overtook it.
func TestMovesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := anyPolicy(time.Hour).Draw(t, "policy")
		d := event.Delivery{ID: event.ID{1}, SubscriptionID: event.ID{3}, DueAt: started, CreatedAt: started}
		var claims []event.Delivery
		first, records := time.Time{}, 0
		for i := range rapid.IntRange(1, 30).Draw(t, "steps") {
			at := started.Add(time.Duration(i) * time.Minute)
			before := d
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				if d.Status == event.Pending {
					claims = append(claims, d)
				}
			case 1:
				d = event.Cancel(d, at)
			case 2:
				d, _ = event.Resend(d, at, rapid.Bool().Draw(t, "force"))
			case 3:
				if len(claims) > 0 {
					o := anyOutcome().Draw(t, "outcome")
					d = event.Apply(d, event.Settle(rapid.SampledFrom(claims).Draw(t, "claim"), o, policy, at, 0.5))
					records++
					if o.Success() && d.Status != event.Delivered {
						t.Fatalf("the endpoint accepted it, but it is %v", d.Status)
					}
				}
			}
			if d.Status == event.Delivered && first.IsZero() {
				first = d.SettledAt
			}
			if d.Attempts != records || d.Stray > d.RoundFrom || d.RoundFrom > d.Attempts || d.Round < before.Round {
				t.Fatalf("%d attempts were recorded: %+v", records, d)
			}
			if !d.DeliveredAt.Equal(first) || (d.Status == event.Pending) != d.SettledAt.IsZero() {
				t.Fatalf("it was first delivered at %v: %+v", first, d)
			}
		}
	})
}

func TestResend(t *testing.T) {
	now := started.Add(time.Hour)
	for _, tt := range []struct {
		reason      string
		status      event.Status
		deliveredAt time.Time
		force       bool
		want        error
	}{
		{"failed", event.Failed, time.Time{}, false, nil},
		{"cancelled", event.Cancelled, time.Time{}, false, nil},
		{"pending", event.Pending, time.Time{}, false, event.ErrNotSettled},
		{"pending, by force", event.Pending, time.Time{}, true, event.ErrNotSettled},
		{"delivered: a slip must not bill a customer twice", event.Delivered, started, false, event.ErrDelivered},
		{"delivered, by force", event.Delivered, started, true, nil},
		{"failed after it was delivered", event.Failed, started, false, event.ErrDelivered},
		{"failed after it was delivered, by force", event.Failed, started, true, nil},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			d := claimed(3)
			d.Status, d.DeliveredAt, d.Round, d.RoundFrom, d.Stray = tt.status, tt.deliveredAt, 1, 2, 1
			d.LeaseOwner, d.LeasedUntil = "", time.Time{}
			got, err := event.Resend(d, now, tt.force)
			if !errors.Is(err, tt.want) {
				t.Fatalf("the error is %v, want %v", err, tt.want)
			}
			want := d
			if tt.want == nil {
				want.Status, want.DueAt, want.SettledAt, want.Round, want.RoundFrom = event.Pending, now, time.Time{}, 2, 3
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("delivery (- wanted, + found):\n%s", diff)
			}
		})
	}
}
