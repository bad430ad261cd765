package dispatch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

func TestAttemptsWhenDue(t *testing.T) {
	inBubble(t, func(r *rig) {
		sub := r.subscribe()
		want := map[event.ID]time.Duration{}
		for _, after := range []time.Duration{
			0, time.Millisecond, 999 * time.Millisecond, time.Second, 1700 * time.Millisecond, 1701 * time.Millisecond, 10 * time.Minute,
		} {
			want[r.due(sub, after)] = after
		}
		r.run()
		r.wait(time.Hour)
		r.stop()
		for id, after := range want {
			if got := r.sentAt(id); !slices.Equal(got, []time.Duration{after}) {
				t.Errorf("due after %v, attempted after %v", after, got)
			}
			r.is(id, event.Delivered, 1)
		}
		r.empty()
	})
}

// Polling finds deliveries that another process has stored without a hint.
func TestPollingFindsDueDeliveries(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.run()
		r.wait(1500 * time.Millisecond)
		id := r.due(r.subscribe(), 0)
		r.wait(pollInterval)
		r.is(id, event.Delivered, 1)
		r.stop()
	})
}

func TestAttemptsAtOnceWhatIsHandedOver(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.run()
		r.wait(1234 * time.Millisecond)
		id, reserved := r.ingest(r.subscribe())
		r.wait(0)
		r.is(id, event.Delivered, 1)
		if got := r.sentAt(id); !reserved || got[0] != 1234*time.Millisecond {
			t.Errorf("reserved %v, attempted after %v", reserved, got)
		}
		r.stop()
		r.empty()
	})
}

func TestRetriesKeepTheirTime(t *testing.T) {
	for _, c := range []struct {
		policy event.RetryPolicy
		why    string
	}{
		{event.RetryPolicy{10 * time.Second, time.Minute, 15 * time.Minute}, "like that of a service"},
		{event.RetryPolicy{50 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond}, "shorter than the poll interval"},
	} {
		inBubble(t, func(r *rig) {
			r.o.Policy, r.endpoint = c.policy, answers(500, 7*time.Millisecond)
			r.run()
			id, _ := r.ingest(r.subscribe())
			var want []time.Duration
			for range c.policy {
				want = append(want, r.store.row(id).d.DueAt.Sub(r.began))
				time.Sleep(time.Until(r.store.row(id).d.DueAt))
				r.wait(7 * time.Millisecond)
			}
			want = append(want, r.store.row(id).d.DueAt.Sub(r.began)) // of the last attempt
			r.wait(time.Hour)
			if got := r.sentAt(id); !slices.Equal(got, want) {
				t.Errorf("%s: attempted after %v, want %v", c.why, got, want)
			}
			r.is(id, event.Failed, len(c.policy)+1)
			r.stop()
		})
	}
}

func TestSubscriptionsThatTakeNothing(t *testing.T) {
	for _, c := range []struct {
		why    string
		edit   func(*event.Subscription)
		leased int // while the dispatcher runs
	}{
		{"inactive: the delivery is due again, and not leased", func(s *event.Subscription) { s.Active = false }, 0},
		{"deleted: the store has cancelled the delivery", func(s *event.Subscription) { s.Active, s.DeletedAt = false, time.Now() }, 1},
	} {
		inBubble(t, func(r *rig) {
			sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 1 })
			r.endpoint = answers(200, time.Second)
			r.run()
			first, _ := r.ingest(sub)
			second, _ := r.ingest(sub)
			r.wait(0)
			r.change(sub.ID, c.edit) // while the second one waits in its lane
			r.wait(10 * time.Second)
			if n := len(r.sentAt(second)); n != 0 || r.store.leased() != c.leased {
				t.Errorf("%s: %d attempts, %d leases", c.why, n, r.store.leased())
			}
			r.is(first, event.Delivered, 1)
			r.change(sub.ID, func(s *event.Subscription) { s.Active, s.DeletedAt = true, time.Time{} })
			r.wait(time.Minute)
			r.is(second, event.Delivered, 1)
			r.stop()
			r.empty()
		})
	}
}

// gap is the time between an endpoint's deliveries in the tests of many lanes.
const gap = 5 * time.Millisecond

// nine publishes an event every 10 ms for two seconds, for each of nine endpoints, and for a tenth
// one if there is one. It returns when each event of the nine arrived.
func nine(t *testing.T, tenth func(context.Context, event.Subscription, event.Claimed) event.Outcome) map[string]string {
	arrived := map[string]string{}
	inBubble(t, func(r *rig) {
		subs := make([]event.Subscription, 10)
		for i := range subs {
			subs[i] = r.subscribe()
		}
		r.endpoint = func(ctx context.Context, sub event.Subscription, e event.Claimed) event.Outcome {
			if sub.ID == subs[9].ID {
				return tenth(ctx, sub, e)
			}
			return answer(ctx, 200, gap)
		}
		r.run()
		ids := map[string]event.ID{}
		for k := range 200 {
			for i, sub := range subs {
				if i == 9 && tenth == nil {
					continue
				}
				id, _ := r.ingest(sub)
				if i < 9 {
					ids[fmt.Sprint(i, " ", k)] = id
				}
			}
			r.wait(2 * gap)
		}
		r.wait(time.Second)
		for name, id := range ids {
			r.is(id, event.Delivered, 1)
			arrived[name] = fmt.Sprint(r.sentAt(id))
		}
		r.stop()
		r.empty()
	})
	return arrived
}

// The deliveries of the nine must happen at exactly the same times as without the tenth endpoint.
func TestOneEndpointNeverSlowsAnother(t *testing.T) {
	alone := nine(t, nil)
	for why, tenth := range map[string]func(context.Context, event.Subscription, event.Claimed) event.Outcome{
		"hangs":   answers(0, 10*time.Second),
		"refuses": answers(503, 0),
		"is slow": answers(200, 300*time.Millisecond),
	} {
		if got := nine(t, tenth); !maps.Equal(got, alone) {
			late := 0
			for name := range alone {
				if got[name] != alone[name] {
					late++
				}
			}
			t.Errorf("one that %s changes the times of %d of %d deliveries of the others", why, late, len(alone))
		}
	}
}

// A lane that overflows is filled from the store again as it empties, without waiting for the next
// poll, so that its endpoint is never idle.
func TestOverflowIsFetchedAsTheLaneEmpties(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Limits.LaneDepth, r.o.Limits.LaneInFlight = 8, 2
		r.endpoint = answers(200, 10*time.Millisecond)
		r.run()
		r.wait(100 * time.Millisecond)
		sub := r.subscribe()
		over := 0
		for range 100 {
			if _, reserved := r.ingest(sub); !reserved {
				over++
			}
		}
		r.wait(500 * time.Millisecond) // enough for two at a time, 10 ms each
		if n := r.store.count()[event.Delivered]; over != 94 || n != 100 {
			t.Errorf("%d overflowed and %d were delivered, want 94 and all 100", over, n)
		}
		r.stop()
		r.empty()
	})
}

// The last overflow may be on disk only after the lane has emptied.
func TestOverflowOfALaneThatHasEmptied(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Limits.LaneDepth, r.o.Limits.LaneInFlight = 2, 1
		r.endpoint = answers(200, 10*time.Millisecond)
		r.run()
		r.wait(100 * time.Millisecond)
		sub := r.subscribe()
		r.ingest(sub)
		r.ingest(sub)
		if _, ok := r.d.Reserve(context.Background(), sub, 2); ok {
			t.Fatal("the lane is not full")
		}
		r.wait(50 * time.Millisecond) // meanwhile the lane empties and the store commits
		late := r.claimed(sub)
		r.store.add(late)
		r.d.Overflow(sub.ID)
		r.wait(10 * time.Millisecond)
		r.is(late.Delivery.ID, event.Delivered, 1)
		r.stop()
	})
}

// Twenty endpoints that hang are flooded with new events and from the store. They must leave
// capacity for a quiet endpoint's new events and retries.
func TestFloodLeavesCapacityForOthers(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Limits = Limits{InFlight: 1000, LaneInFlight: 10, LaneDepth: 400, Buffered: 4000, BufferedBytes: 1 << 20}
		quiet := r.subscribe()
		r.endpoint = func(ctx context.Context, sub event.Subscription, _ event.Claimed) event.Outcome {
			if sub.ID == quiet.ID {
				return answer(ctx, 200, 0)
			}
			return answer(ctx, 0, 10*time.Second)
		}
		r.run()
		retry := r.due(quiet, 3*time.Second)
		for range 20 {
			hangs := r.subscribe()
			for range 600 {
				r.ingest(hangs)
			}
		}
		r.wait(2 * time.Second)
		fresh, _ := r.ingest(quiet)
		r.wait(2 * time.Second)
		if at := r.sentAt(fresh); !slices.Equal(at, []time.Duration{2 * time.Second}) {
			t.Errorf("the quiet endpoint's new event was attempted after %v, want at once, after 2s", at)
		}
		if at := r.sentAt(retry); !slices.Equal(at, []time.Duration{3 * time.Second}) {
			t.Errorf("the quiet endpoint's retry was attempted after %v, want after 3s", at)
		}
		r.stop()
		r.empty()
	})
}

// When many endpoints begin to hang at once, a quarter of the slots is left for lanes with few
// requests in flight.
func TestHangingEndpointsLeaveSlots(t *testing.T) {
	inBubble(t, func(r *rig) {
		quiet := r.subscribe()
		r.endpoint = func(ctx context.Context, sub event.Subscription, _ event.Claimed) event.Outcome {
			if sub.ID == quiet.ID {
				return answer(ctx, 200, 0)
			}
			return answer(ctx, 0, 10*time.Second)
		}
		r.run()
		retry := r.due(quiet, 3*time.Second)
		for range 20 { // with eight slots each, they would use more than there are
			hangs := r.subscribe()
			for range 15 {
				r.ingest(hangs)
			}
		}
		r.wait(2 * time.Second)
		fresh, _ := r.ingest(quiet)
		r.wait(2 * time.Second)
		if at := r.sentAt(fresh); !slices.Equal(at, []time.Duration{2 * time.Second}) {
			t.Errorf("the quiet endpoint's new event was attempted after %v, want at once, after 2s", at)
		}
		if at := r.sentAt(retry); !slices.Equal(at, []time.Duration{3 * time.Second}) {
			t.Errorf("the quiet endpoint's retry was attempted after %v, want after 3s", at)
		}
		r.wait(15 * time.Minute) // one request of each at a time
		if n := r.leasesNow(); n > 0 {
			t.Errorf("%d deliveries are still waiting for their turn", n)
		}
		r.stop()
		r.empty()
	})
}
