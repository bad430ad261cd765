package dispatch

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// hint is a hint to other nodes about a subscription, and when it was sent.
type hint struct {
	of event.ID
	is bool
	at time.Time
}

// hints collects the hints of a dispatcher to other nodes.
type hints struct {
	mu  sync.Mutex
	all []hint
}

func (h *hints) take(subscription event.ID, is bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, hint{subscription, is, time.Now()})
}

func (h *hints) of(subscription event.ID) []hint {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.all), func(one hint) bool { return one.of != subscription })
}

// While the store has more due deliveries than a worker that keeps up has capacity for, the worker
// sends hints to other nodes, often enough that no hint expires. At the end, a hint says that it is
// no longer behind.
func TestOthersAreToldThatThisNodeIsBehind(t *testing.T) {
	inBubble(t, func(r *rig) {
		h := &hints{}
		r.o.Behind = h.take
		r.endpoint = answers(200, 5*time.Millisecond) // 2,000 a second
		busy, few := r.subscribe(), r.subscribe()
		for range 4000 {
			r.due(busy, 0)
		}
		r.run()
		for range 100 {
			r.wait(10 * time.Millisecond)
			r.due(few, 0)
			r.d.Wake()
		}
		r.wait(10 * time.Second)
		told := h.of(busy.ID)
		if len(told) < 2 || !told[0].is || told[len(told)-1].is {
			t.Fatalf("the hints are %v, want that it is behind first, and that it is not last", told)
		}
		for i := 1; i < len(told); i++ {
			if gap := told[i].at.Sub(told[i-1].at); told[i-1].is && gap >= 100*time.Millisecond {
				t.Errorf("no hint was sent for %v", gap)
			}
		}
		if lasted := told[len(told)-1].at.Sub(told[0].at); lasted < time.Second || lasted > 3*time.Second {
			t.Errorf("it was behind for %v, with 4,000 deliveries at 2,000 a second", lasted)
		}
		if told := h.of(few.ID); len(told) > 0 {
			t.Errorf("the hints about another subscription are %v, want none", told)
		}
		r.stop()
		r.empty()
	})
}

// Endpoints that do not keep up delay no publisher, even if their backlog is large.
func TestOthersAreNotToldOfSlowEndpoints(t *testing.T) {
	for name, test := range map[string]struct {
		endpoint func(context.Context, event.Subscription, event.Claimed) event.Outcome
		edit     func(*event.Subscription)
	}{
		"one that hangs":      {answers(0, 10*time.Second), func(*event.Subscription) {}},
		"one that is slow":    {answers(200, 2*time.Second), func(*event.Subscription) {}},
		"one that fails":      {answers(500, 0), func(*event.Subscription) {}},
		"one that has a rate": {answers(200, 0), func(s *event.Subscription) { s.RatePerSecond = 10 }},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				h := &hints{}
				r.o.Behind = h.take
				r.endpoint = func(ctx context.Context, sub event.Subscription, c event.Claimed) event.Outcome {
					if sub.Description == "fast" {
						return answer(ctx, 200, 5*time.Millisecond)
					}
					return test.endpoint(ctx, sub, c)
				}
				bad := r.subscribe(test.edit)
				fast := r.subscribe(func(s *event.Subscription) { s.Description = "fast" })
				for range 400 {
					r.due(bad, 0)
				}
				r.run()
				for range 1000 { // the maximum, all the time
					r.due(fast, 0)
					r.d.Wake()
					r.wait(5 * time.Millisecond)
				}
				if told := append(h.of(bad.ID), h.of(fast.ID)...); len(told) > 0 {
					t.Errorf("the hints are %v, want none", told)
				}
				r.end()
				<-r.ended
			})
		})
	}
}

// If a lane fills up although its endpoint keeps up, the node accepts nothing from other nodes for
// a moment, so that a node with less to do can. If the endpoint is slow, or the lane is filled
// from the store, the node accepts what it has capacity for, because other deliveries must not wait
// for that lane.
func TestCapacityWhileThisMachineIsTheLimit(t *testing.T) {
	for _, row := range []struct {
		why  string
		took time.Duration // of an attempt
		due  int           // in the store
		want bool
	}{
		{"the endpoint keeps up", 5 * time.Millisecond, 0, false},
		{"it does not", 5 * time.Second, 0, true},
		{"it keeps up with what waits in the store", 5 * time.Millisecond, 4000, true},
	} {
		inBubble(t, func(r *rig) {
			h := &hints{}
			r.o.Behind = h.take
			r.endpoint = answers(200, row.took)
			r.run()
			sub := r.subscribe()
			for range 100 { // so that the throughput is known
				r.passedOn(sub)
				r.wait(5 * time.Millisecond)
			}
			for range row.due {
				r.due(sub, 0)
			}
			r.d.Wake()
			r.wait(100 * time.Millisecond)
			for range r.o.Limits.LaneDepth {
				r.passedOn(sub)
			}
			if has := r.d.Capacity() > 0; has != row.want {
				t.Errorf("%s: it has capacity: %v", row.why, has)
			}
			r.wait(time.Minute)
			if r.d.Capacity() == 0 {
				t.Errorf("%s: a minute later it has no capacity", row.why)
			}
			r.end()
			<-r.ended
		})
	}
}
