package dispatch

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// A node may lease a delivery a second time after its first lease has ended. A late effect of the
// first lease must not end the second one, because another node would attempt the delivery, too.

// The store's response came after the lease had ended, and the delivery is already being
// attempted.
func TestLateHandOverIsLeftAlone(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, 25*time.Second)
		r.run()
		sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 1 })
		c := r.claimed(sub)
		l, ok := r.d.Reserve(context.Background(), sub, len(c.Event.Payload))
		if !ok {
			t.Fatal("no capacity in an empty lane")
		}
		c.Delivery.LeaseOwner, c.Delivery.LeasedUntil = l.Owner, l.Until
		r.store.add(c)
		r.wait(r.o.Lease + 3*time.Second)
		r.d.Deliver(c)
		r.wait(10 * time.Second)
		r.end()
		r.wait(time.Second)
		if row := r.store.row(c.Delivery.ID); !strings.HasPrefix(row.d.LeaseOwner, r.o.Node+"/") {
			t.Errorf("it is leased by %q while its attempt is under way, want the lease of the claim", row.d.LeaseOwner)
		}
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		r.is(c.Delivery.ID, event.Delivered, 1)
		r.empty()
	})
}

// A lease is released while the store is unavailable, and the store is away for longer than the lease
// lasts.
func TestLateReleaseIsLeftAlone(t *testing.T) {
	inBubble(t, func(r *rig) {
		var back atomic.Bool
		r.store.onRecord = func() error {
			if back.Load() {
				return nil
			}
			return errAway
		}
		r.endpoint = func(ctx context.Context, s event.Subscription, _ event.Claimed) event.Outcome {
			if s.Description == "slow" {
				return answer(ctx, 200, 25*time.Second)
			}
			return answer(ctx, 200, 0)
		}
		r.run()
		r.due(r.subscribe(), 0)
		r.wait(time.Second) // from now on the recorder is busy with that
		c := r.claimed(r.subscribe(func(s *event.Subscription) { s.Description = "slow" }))
		c.Delivery.LeaseOwner, c.Delivery.LeasedUntil = r.o.Node, time.Now().Add(r.o.Lease)
		r.store.add(c)
		r.d.Release(c)
		r.wait(r.o.Lease + 3*time.Second)
		back.Store(true)
		r.wait(time.Second)
		if row := r.store.row(c.Delivery.ID); !strings.HasPrefix(row.d.LeaseOwner, r.o.Node+"/") {
			t.Errorf("it is leased by %q while its attempt is under way, want the lease of the claim", row.d.LeaseOwner)
		}
		r.wait(30 * time.Second)
		r.is(c.Delivery.ID, event.Delivered, 1)
		r.stop()
		r.empty()
	})
}

// The release was requested in time and reached the store after the lease had ended.
func TestLateReleaseLeavesTheNewLease(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, 25*time.Second)
		r.store.onRelease = func() error {
			time.Sleep(r.o.Lease + 3*time.Second)
			return nil
		}
		r.store.onRenew = func() error {
			if time.Since(r.began) < r.o.Lease+2*time.Second {
				return errAway
			}
			return nil
		}
		r.run()
		c := r.claimed(r.subscribe())
		c.Delivery.LeaseOwner, c.Delivery.LeasedUntil = r.o.Node, time.Now().Add(r.o.Lease)
		r.store.add(c)
		stop := r.otherNode()
		defer stop()
		r.d.Release(c)
		r.wait(r.o.Lease + 4*time.Second)
		if row := r.store.row(c.Delivery.ID); !strings.HasPrefix(row.d.LeaseOwner, r.o.Node+"/") {
			t.Errorf("it is leased by %q while its attempt is under way, want the lease of the claim", row.d.LeaseOwner)
		}
		r.wait(30 * time.Second)
		r.is(c.Delivery.ID, event.Delivered, 1)
		r.stop()
		r.empty()
	})
}

// A delivery was passed on and then made due again. This node claims it, and only then reads the
// delivery that was passed on.
func TestPassedOnAfterTheClaimIsDropped(t *testing.T) {
	for _, c := range []struct {
		name string
		left time.Duration
		read func(*Dispatcher, event.Claimed)
	}{
		{"released after its lease", 0, (*Dispatcher).Release},
		{"released in time", time.Minute, (*Dispatcher).Release},
		{"offered after its lease", 0, offer},
		{"offered in time", time.Minute, offer},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.endpoint = answers(200, 40*time.Second)
				r.run()
				id := r.due(r.subscribe(), 0)
				stop := r.otherNode()
				defer stop()
				r.wait(5 * time.Second)
				late := event.Claimed{Delivery: r.store.row(id).d}
				late.Delivery.LeaseOwner, late.Delivery.LeasedUntil = "node-api", time.Now().Add(c.left)
				c.read(r.d, late)
				r.wait(2 * time.Minute)
				r.is(id, event.Delivered, 1)
				r.stop()
				r.empty()
			})
		})
	}
}

func offer(d *Dispatcher, c event.Claimed) { d.Offer(context.Background(), c) }
