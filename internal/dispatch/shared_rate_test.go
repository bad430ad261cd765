package dispatch

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// budget is a rate that several nodes share.
type budget struct {
	mu    sync.Mutex
	next  map[event.ID]time.Time
	asked int
}

func (b *budget) Take(_ context.Context, subscription event.ID, interval time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	now := time.Now()
	if wait := b.next[subscription].Sub(now); wait > 0 {
		return wait
	}
	b.next[subscription] = now.Add(interval)
	return 0
}

// use takes a turn for another node.
func (b *budget) use(subscription event.ID, interval time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.next[subscription]
	if now := time.Now(); next.Before(now) {
		next = now
	}
	b.next[subscription] = next.Add(interval)
}

// If another node delivers to the same subscription, a node gets only its share of the rate. Its
// deliveries wait without using a slot, and in order.
func TestSharedRate(t *testing.T) {
	inBubble(t, func(r *rig) {
		shared := &budget{next: map[event.ID]time.Time{}}
		r.o.RateLimiter = shared
		r.o.Limits.InFlight = 4
		r.run()
		limited := r.subscribe(func(s *event.Subscription) { s.RatePerSecond = 1 })
		free := r.subscribe()
		var ids []event.ID
		for range 10 {
			id, _ := r.ingest(limited)
			ids = append(ids, id)
		}
		for at := range 60 {
			if at%2 == 0 {
				shared.use(limited.ID, time.Second)
			}
			id, _ := r.ingest(free)
			r.wait(time.Second)
			r.is(id, event.Delivered, 1)
		}
		last := -time.Second
		for i, id := range ids {
			got := r.sentAt(id)
			if len(got) != 1 || got[0] < last+time.Second {
				t.Errorf("delivery %d was attempted after %v, and the one before it after %v: want one a second, in order", i, got, last)
				continue
			}
			last = got[0]
		}
		if last < 12*time.Second {
			t.Errorf("all were attempted within %v, although the other node used half of the rate", last)
		}
		if shared.asked > 200 {
			t.Errorf("the rate limiter was called %d times", shared.asked)
		}
		r.stop()
		r.empty()
	})
}

// Deliveries that wait for their turn when the node stops are released.
func TestSharedRateWhileStopping(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.RateLimiter = &budget{next: map[event.ID]time.Time{}}
		r.run()
		sub := r.subscribe(func(s *event.Subscription) { s.RatePerSecond = 0.01 })
		first, _ := r.ingest(sub)
		second, _ := r.ingest(sub)
		r.wait(time.Second)
		r.stop()
		r.is(first, event.Delivered, 1)
		r.is(second, event.Pending, 0)
		if n := r.store.leased(); n != 0 {
			t.Errorf("%d are still leased", n)
		}
	})
}
