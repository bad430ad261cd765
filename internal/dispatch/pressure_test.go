package dispatch

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Forty connections publish as fast as they get responses, four times as fast as the endpoint
// accepts. They must be slowed down to its throughput, and no event may wait for long.
func TestFastProducersAreSlowedDown(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Limits = Limits{InFlight: 100, LaneInFlight: 10, LaneDepth: 40, Buffered: 10_000, BufferedBytes: 1 << 20}
		r.endpoint = answers(200, 10*time.Millisecond) // 1,000 a second
		r.run()
		sub := r.subscribe()
		ctx, stop := context.WithCancel(r.t.Context())
		var mu sync.Mutex
		posted := map[event.ID]time.Duration{}
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				for ctx.Err() == nil {
					id, _ := r.ingest(sub)
					mu.Lock()
					posted[id] = time.Since(r.began)
					mu.Unlock()
					time.Sleep(10 * time.Millisecond) // the commit
				}
			})
		}
		r.wait(5 * time.Second)
		stop()
		wg.Wait()
		r.wait(30 * time.Second)
		var longest time.Duration
		for id, at := range posted {
			sent := r.sentAt(id)
			if len(sent) != 1 {
				t.Errorf("an event that was posted after %v was sent at %v", at, sent)
				break
			}
			longest = max(longest, sent[0]-at)
		}
		if n := len(posted); n < 4000 {
			t.Errorf("only %d events were accepted in 5 s; the endpoint accepts 1,000 a second", n)
		}
		if longest > time.Second {
			t.Errorf("an event waited %v for its first attempt", longest)
		}
		r.stop()
		r.empty()
	})
}

// An endpoint that does not keep up must not delay its publishers.
func TestSlowEndpointsDelayNoPublishers(t *testing.T) {
	for name, test := range map[string]struct {
		endpoint func(context.Context, event.Subscription, event.Claimed) event.Outcome
		edit     func(*event.Subscription)
	}{
		"one that hangs":      {answers(0, 10*time.Second), func(*event.Subscription) {}},
		"one that is slow":    {answers(200, 2*time.Second), func(*event.Subscription) {}},
		"one that fails":      {answers(500, 0), func(*event.Subscription) {}},
		"one that has a rate": {answers(200, 0), func(s *event.Subscription) { s.RatePerSecond = 10 }},
		"one that is new":     {answers(200, 10*time.Millisecond), func(*event.Subscription) {}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.endpoint = test.endpoint
				r.run()
				sub := r.subscribe(test.edit)
				for range 200 {
					began := time.Now()
					if r.ingest(sub); time.Since(began) > 0 {
						t.Errorf("an event was delayed for %v", time.Since(began))
						break
					}
				}
				r.wait(5 * time.Minute)
				r.stop()
			})
		})
	}
}

// Requests stop waiting for capacity when the dispatcher stops or their caller is gone.
func TestWaitersAreRefused(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Limits.LaneDepth = 4
		r.endpoint = answers(200, time.Millisecond)
		r.run()
		sub := r.subscribe()
		for range 400 { // so that the throughput is known
			r.ingest(sub)
			r.wait(time.Millisecond)
		}
		r.endpoint = answers(200, 10*time.Second)
		for range 12 {
			r.ingest(sub)
		}
		ctx, gone := context.WithCancel(r.t.Context())
		results := make(chan bool, 2)
		for _, c := range []context.Context{ctx, r.t.Context()} {
			go func() {
				_, ok := r.d.Reserve(c, sub, 1)
				results <- ok
			}()
		}
		synctest.Wait()
		began := time.Now()
		r.d.mu.Lock()
		if r.d.waiters != 2 {
			t.Errorf("%d wait, want 2", r.d.waiters)
		}
		r.d.mu.Unlock()
		gone()
		if <-results {
			t.Error("a cancelled request got capacity")
		}
		r.end()
		if <-results {
			t.Error("a dispatcher that stops granted capacity")
		}
		if time.Since(began) != 0 {
			t.Errorf("they stopped waiting after %v", time.Since(began))
		}
		<-r.ended
		if r.d.waiters != 0 {
			t.Errorf("%d are still counted as waiting", r.d.waiters)
		}
	})
}

// TryReserve takes what is free, in turn, and never waits: not even where Reserve does.
func TestTryReserve(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Limits.LaneDepth = 4
		r.endpoint = answers(200, time.Millisecond)
		r.run()
		sub := r.subscribe()
		for range 400 { // so that the throughput is known, and Reserve would wait
			r.ingest(sub)
			r.wait(time.Millisecond)
		}
		r.endpoint = answers(200, 10*time.Second)
		var reserved []event.Claimed
		began := time.Now()
		for range 20 {
			c := r.claimed(sub)
			lease, ok := r.d.TryReserve(sub, len(c.Event.Payload))
			if !ok {
				continue
			}
			c.Delivery.LeaseOwner, c.Delivery.LeasedUntil = lease.Owner, lease.Until
			reserved = append(reserved, c)
		}
		if len(reserved) != 2 || time.Since(began) > 0 {
			t.Errorf("%d reservations in %v, want half of the lane's depth at once", len(reserved), time.Since(began))
		}
		for _, c := range reserved {
			r.store.add(c)
			r.d.Deliver(c)
		}
		paused := r.subscribe(func(s *event.Subscription) { s.PausedAt = began })
		if _, ok := r.d.TryReserve(paused, 1); ok {
			t.Error("a paused subscription has capacity")
		}
		r.wait(5 * time.Minute)
		r.stop()
		if _, ok := r.d.TryReserve(sub, 1); ok {
			t.Error("a dispatcher that has stopped has capacity")
		}
		r.empty()
	})
}
