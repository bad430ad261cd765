package dispatch

import (
	"context"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// claims counts the claims during a second in which a thousand events are delivered as they
// arrive. Each claim is a transaction behind which new events wait, so there must be few: one a
// second, and some for deliveries that become due.
func (r *rig) claims() int {
	busy := r.subscribe()
	time.Sleep(time.Second)
	before := r.store.claimCount()
	for range 1000 {
		r.ingest(busy)
		r.wait(time.Millisecond)
	}
	return r.store.claimCount() - before
}

func TestFewClaims(t *testing.T) {
	for _, c := range []struct {
		why     string
		prepare func(r *rig)
		most    int
	}{
		{"all goes well", func(*rig) {}, 2},
		{"endpoints fail, and will be tried again", func(r *rig) { r.endpoint = answers(500, 0) }, 2},
		{"a subscription that is paused has a backlog", func(r *rig) {
			paused := r.subscribe(func(s *event.Subscription) { s.Active = false })
			for range 1000 {
				r.due(paused, 0)
			}
			r.store.more = true // like a driver that reads no further than the limit
		}, 2},
		{"an endpoint that hangs has a backlog", func(r *rig) {
			hangs := r.subscribe()
			r.endpoint = func(ctx context.Context, sub event.Subscription, _ event.Claimed) event.Outcome {
				if sub.ID == hangs.ID {
					return answer(ctx, 0, 10*time.Second)
				}
				return answer(ctx, 200, 0)
			}
			for range 1000 {
				r.due(hangs, 0)
			}
		}, 3},
		{"an endpoint with a rate of 10 a second has a backlog", func(r *rig) {
			limited := r.subscribe(func(s *event.Subscription) { s.RatePerSecond = 10 })
			for range 1000 {
				r.due(limited, 0)
			}
		}, 3},
	} {
		inBubble(t, func(r *rig) {
			c.prepare(r)
			r.run()
			if n := r.claims(); n > c.most {
				t.Errorf("%s: %d claims in a second, want at most %d", c.why, n, c.most)
			}
			r.stop()
		})
	}
}

// A backlog is claimed in large batches, not one by one as its endpoint accepts deliveries.
func TestBacklogIsFetchedInLargePieces(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, 10*time.Millisecond)
		r.store.onClaim = func() error { time.Sleep(5 * time.Millisecond); return nil }
		sub := r.subscribe()
		for range 1000 {
			r.due(sub, 0)
		}
		r.run()
		r.wait(1200 * time.Millisecond) // ten at a time, once the lane has learnt that
		if n := r.store.count()[event.Delivered]; n != 1000 || r.store.claimCount() > 50 {
			t.Errorf("%d delivered with %d claims, want all 1000 with some 35: a lane holds 40", n, r.store.claimCount())
		}
		r.stop()
	})
}

// A lane with a rate limit continues in time, even while every slot of the node is used, and
// waiting for a slot costs nothing.
func TestRateWithoutAFreeSlot(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Limits.InFlight = 3
		hangs := r.subscribe()
		limited := r.subscribe(func(s *event.Subscription) { s.RatePerSecond = 1 })
		r.endpoint = func(ctx context.Context, sub event.Subscription, _ event.Claimed) event.Outcome {
			if sub.ID == hangs.ID {
				return answer(ctx, 0, 30*time.Second)
			}
			return answer(ctx, 200, 0)
		}
		r.store.onClaim = func() error {
			if r.store.claimCount() > 1000 { // claims without a pause would stop the time of the bubble
				time.Sleep(time.Second)
			}
			return nil
		}
		r.run()
		r.ingest(limited)
		r.ingest(limited)
		for range 3 {
			r.ingest(hangs)
		}
		r.wait(20 * time.Second)
		if r.store.claimCount() > 100 {
			t.Errorf("%d claims in 20 seconds in which nothing could start", r.store.claimCount())
		}
		r.wait(11 * time.Second)
		if n := r.store.count()[event.Delivered]; n != 2 {
			t.Errorf("%d of the limited endpoint's two were delivered once there was a slot", n)
		}
		r.end()
		<-r.ended
	})
}

func TestRateIsKeptToTheInstant(t *testing.T) {
	for why, takes := range map[string]time.Duration{"a quick endpoint": 0, "a slow one": 30 * time.Second} {
		for how, put := range map[string]func(r *rig, sub event.Subscription) event.ID{
			"handed over": func(r *rig, sub event.Subscription) event.ID { id, _ := r.ingest(sub); return id },
			"claimed":     func(r *rig, sub event.Subscription) event.ID { return r.due(sub, 0) },
		} {
			inBubble(t, func(r *rig) {
				r.endpoint = answers(200, takes)
				sub := r.subscribe(func(s *event.Subscription) { s.RatePerSecond = 10 })
				r.run()
				r.wait(0)
				var ids []event.ID
				for range 6 {
					ids = append(ids, put(r, sub))
					r.wait(time.Millisecond)
				}
				r.wait(5 * time.Second)
				var first time.Duration
				for i, id := range ids {
					at := r.sentAt(id)
					if len(at) != 1 {
						t.Fatalf("%s, %s: number %d was attempted after %v", why, how, i, at)
					}
					if i == 0 {
						first = at[0]
					}
					if want := first + time.Duration(i)*100*time.Millisecond; at[0] != want {
						t.Errorf("%s, %s: number %d was attempted after %v, want %v", why, how, i, at[0], want)
					}
				}
				r.end()
				<-r.ended
			})
		}
	}
}

// While subscriptions can't be read, their deliveries must not be claimed again and again.
func TestClaimsWhileSubscriptionsCantBeRead(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.store.onRead = r.away(10 * time.Second)
		r.store.onClaim = func() error { time.Sleep(5 * time.Millisecond); return nil }
		for range 20 {
			sub := r.subscribe()
			for range 40 {
				r.due(sub, 0)
			}
		}
		r.run()
		r.wait(9 * time.Second)
		if n := r.store.claimCount(); n > 20 {
			t.Errorf("%d claims in nine seconds in which nothing could be attempted", n)
		}
		r.wait(10 * time.Second)
		if n := r.store.count()[event.Delivered]; n != 800 {
			t.Errorf("%d of 800 delivered afterwards", n)
		}
		r.stop()
		r.empty()
	})
}
