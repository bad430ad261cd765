package dispatch

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// otherNode ends leases that ran out, as another node would, every second.
func (r *rig) otherNode() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			r.store.Rescue(ctx, time.Time{}, time.Now())
			time.Sleep(time.Second)
		}
	}()
	return func() { cancel(); <-done }
}

func TestLeaseIsRenewedAsLongAsAnAttemptTakes(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, time.Minute)
		stop := r.otherNode()
		r.run()
		sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 1 })
		first, _ := r.ingest(sub)
		second, _ := r.ingest(sub) // waits for a minute
		claimed := r.due(sub, 5*time.Second)
		r.wait(4 * time.Minute)
		for _, id := range []event.ID{first, second, claimed} {
			r.is(id, event.Delivered, 1)
			if got := r.sentAt(id); len(got) != 1 {
				t.Errorf("attempted after %v, want once", got)
			}
		}
		if r.store.tookOver() != 0 {
			t.Errorf("%d leases ran out", r.store.tookOver())
		}
		stop()
		r.stop()
		r.empty()
	})
}

// A store that always has more to claim must not keep leases from being renewed.
func TestLeasesAreRenewedDuringABacklog(t *testing.T) {
	inBubble(t, func(r *rig) {
		hangs, busy := r.subscribe(), r.subscribe()
		r.endpoint = func(ctx context.Context, sub event.Subscription, _ event.Claimed) event.Outcome {
			if sub.ID == hangs.ID {
				return answer(ctx, 200, time.Minute)
			}
			return answer(ctx, 200, 10*time.Millisecond)
		}
		r.store.onClaim = func() error { // makes each claim slow
			time.Sleep(15 * time.Millisecond)
			for range 16 { // a little more than its endpoint accepts meanwhile
				if time.Since(r.began) < 20*time.Second {
					r.due(busy, 0)
				}
			}
			return nil
		}
		for range 100 {
			r.due(busy, 0)
		}
		stop := r.otherNode()
		r.run()
		id, _ := r.ingest(hangs)
		r.wait(2 * time.Minute)
		if got := r.sentAt(id); len(got) != 1 || r.store.tookOver() != 0 {
			t.Errorf("%d leases ran out, and the one under way was attempted after %v", r.store.tookOver(), got)
		}
		stop()
		r.stop()
	})
}

// A delivery whose lease was lost while it was queued is left to the other node.
func TestLostLeaseIsNotAttempted(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, 20*time.Second)
		r.run()
		sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 1 })
		first, _ := r.ingest(sub)
		second, _ := r.ingest(sub)
		third, _ := r.ingest(sub)
		r.wait(time.Second)
		r.store.edit(second, func(d *event.Delivery) { d.LeaseOwner, d.LeasedUntil = "node-b", time.Now().Add(time.Hour) })
		r.wait(time.Minute)
		r.is(first, event.Delivered, 1)
		r.is(third, event.Delivered, 1)
		if got := r.sentAt(second); len(got) != 0 || r.store.row(second).d.LeaseOwner != "node-b" {
			t.Errorf("the delivery of node-b was attempted after %v, and its lease is now %s's", got, r.store.row(second).d.LeaseOwner)
		}
		r.store.edit(second, func(d *event.Delivery) { d.LeaseOwner = "" })
		r.wait(time.Minute)
		r.is(second, event.Delivered, 1)
		r.stop()
		r.empty()
	})
}

// A node that can't renew its leases attempts no delivery whose lease has run out.
func TestExpiredLeaseIsNotAttempted(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, 6*time.Second)
		r.store.onRenew = func() error {
			if time.Since(r.began) < time.Minute {
				return errAway
			}
			return nil
		}
		r.run()
		sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 1 })
		var ids []event.ID
		for range 5 {
			id, _ := r.ingest(sub)
			ids = append(ids, id)
		}
		r.wait(10 * time.Minute)
		for i, want := range []time.Duration{0, 6 * time.Second, 12 * time.Second} {
			if got := r.sentAt(ids[i]); !slices.Equal(got, []time.Duration{want}) {
				t.Errorf("delivery %d attempted after %v, want %v", i, got, want)
			}
		}
		for _, id := range ids[3:] { // at 18 s the lease of 15 s is over, and they are claimed again
			if got := r.sentAt(id); len(got) != 1 || got[0] < 18*time.Second {
				t.Errorf("attempted after %v, want once, on a new lease", got)
			}
			r.is(id, event.Delivered, 1)
		}
		r.stop()
		r.empty()
	})
}

// A dead node's deliveries are attempted as soon as their leases have run out and a node has
// noticed.
func TestTakesOverWhatADeadNodeHeld(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.due(r.subscribe(), 0)
		r.store.edit(id, func(d *event.Delivery) { d.LeaseOwner, d.LeasedUntil = "node-dead", r.began.Add(12*time.Second) })
		r.run()
		r.wait(time.Minute)
		if got := r.sentAt(id); !slices.Equal(got, []time.Duration{14 * time.Second}) {
			t.Errorf("attempted after %v, want 14s, because leases are rescued every two seconds", got)
		}
		r.stop()
	})
}

// Hundreds of leases are renewed at one time, with statements of a limited size.
func TestManyLeases(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Limits = Limits{InFlight: 10, LaneInFlight: 10, LaneDepth: 2000, Buffered: 2000, BufferedBytes: 1 << 20}
		r.endpoint = answers(200, 30*time.Second)
		stop := r.otherNode()
		r.run()
		sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 1 })
		for range 2*maxRenew + 100 {
			r.due(sub, 0)
		}
		r.wait(time.Minute)
		if held := r.leasesNow(); r.store.tookOver() != 0 || held < 1000 {
			t.Errorf("%d leases ran out while %d are held", r.store.tookOver(), held)
		}
		r.end()
		<-r.ended
		stop()
		r.empty()
	})
}

// A delivery that is released while outcomes can't be recorded waits for the store with them. Its
// lease must not run out meanwhile: a late release would end the lease of the node that has
// claimed the delivery since, perhaps this one.
func TestGivingBackLate(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = func(ctx context.Context, _ event.Subscription, _ event.Claimed) event.Outcome {
			if time.Since(r.began) < 10*time.Second {
				return answer(ctx, 200, 3*time.Second)
			}
			return answer(ctx, 200, time.Minute)
		}
		r.store.onRecord = r.away(time.Minute)
		sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 1 })
		r.run()
		r.ingest(sub)
		second, _ := r.ingest(sub)
		r.wait(time.Second)
		r.change(sub.ID, func(s *event.Subscription) { s.Active = false }) // the second one is released after three seconds
		r.wait(9 * time.Second)
		r.change(sub.ID, func(s *event.Subscription) { s.Active, s.MaxInFlight = true, 0 })
		r.wait(10 * time.Minute)
		if at := r.sentAt(second); len(at) != 1 {
			t.Errorf("attempted after %v, want once", at)
		}
		r.stop()
		r.empty()
	})
}
