package dispatch

import (
	"slices"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// passedOn stores a delivery as an API node does, with a lease of that node, and offers it to the
// dispatcher.
func (r *rig) passedOn(sub event.Subscription) (id event.ID, taken bool) {
	c := r.claimed(sub)
	c.Delivery.LeaseOwner, c.Delivery.LeasedUntil = "node-api", time.Now().Add(r.o.Lease)
	r.store.add(c)
	return c.Delivery.ID, r.d.Offer(r.t.Context(), c)
}

// A delivery that another node passed on is attempted at once, without a claim, and its lease is
// renewed in that node's name during the attempt.
func TestPassedOnDeliveryIsMade(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, time.Minute)
		stop := r.otherNode()
		r.run()
		r.wait(time.Second)
		id, taken := r.passedOn(r.subscribe())
		r.wait(2 * time.Minute)
		if got := r.sentAt(id); !taken || !slices.Equal(got, []time.Duration{time.Second}) {
			t.Errorf("accepted is %v, attempted after %v; want it accepted, and attempted once after 1s", taken, got)
		}
		r.is(id, event.Delivered, 1)
		if n := r.store.tookOver(); n != 0 {
			t.Errorf("%d leases ran out while the attempt was under way", n)
		}
		stop()
		r.stop()
		r.empty()
	})
}

// A delivery for which there is no capacity is due again in the store, and is claimed from there.
func TestPassedOnBeyondTheCapacityIsReleased(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, time.Second)
		r.run()
		sub := r.subscribe()
		refused := 0
		var all []event.ID
		for range r.o.Limits.LaneDepth * 2 {
			id, taken := r.passedOn(sub)
			if all = append(all, id); !taken {
				refused++
			}
		}
		if refused == 0 {
			t.Error("a lane accepted twice as many as its depth")
		}
		if leased := r.leasedBy("node-api"); leased != len(all)-refused {
			r.wait(time.Second)
			if leased = r.leasedBy("node-api"); leased > len(all)-refused {
				t.Errorf("%d are leased by the node that passed them on, want %d at most", leased, len(all)-refused)
			}
		}
		r.wait(2 * time.Minute)
		for _, id := range all {
			if got := r.sentAt(id); len(got) != 1 {
				t.Errorf("attempted after %v, want once", got)
			}
			r.is(id, event.Delivered, 1)
		}
		r.stop()
		r.empty()
	})
}

// A node that stops accepts no deliveries and releases all, even those that another node has leased.
func TestPassedOnWhileStopping(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, 5*time.Second)
		r.run()
		sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 1 })
		r.wait(time.Second)
		under, _ := r.passedOn(sub)
		waits, _ := r.passedOn(sub)
		r.wait(time.Second)
		r.end()
		r.wait(time.Second)
		if room := r.d.Capacity(); room != 0 {
			t.Errorf("capacity for %d while stopping", room)
		}
		after, taken := r.passedOn(sub)
		if taken {
			t.Error("a delivery was accepted while stopping")
		}
		late := r.claimed(sub)
		late.Delivery.LeaseOwner, late.Delivery.LeasedUntil = "node-api", time.Now().Add(r.o.Lease)
		r.store.add(late)
		r.d.Release(late)
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		r.is(under, event.Delivered, 1)
		for _, id := range []event.ID{waits, after, late.Delivery.ID} {
			if row := r.store.row(id); row.d.LeaseOwner != "" || len(r.sentAt(id)) != 0 {
				t.Errorf("leased by %q, attempted after %v, want neither", row.d.LeaseOwner, r.sentAt(id))
			}
		}
	})
}

// Capacity is how many deliveries could start now. A full lane does not lower it. If all slots are
// used, it is 0.
func TestCapacity(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, time.Hour)
		r.run()
		r.wait(time.Second)
		if room := r.d.Capacity(); room != r.o.Limits.InFlight {
			t.Errorf("an idle node has capacity for %d, want %d", room, r.o.Limits.InFlight)
		}
		sub := r.subscribe()
		for range 20 {
			r.passedOn(sub)
		}
		r.wait(time.Second)
		if room := r.d.Capacity(); room != r.o.Limits.InFlight-initialInFlight {
			t.Errorf("with %d under way there is capacity for %d of %d", initialInFlight, room, r.o.Limits.InFlight)
		}
		r.end()
		r.wait(time.Hour)
		<-r.ended
	})
}

// SlotsTaken distinguishes slow endpoints that use all slots from a busy machine.
func TestSlotsTaken(t *testing.T) {
	for _, row := range []struct {
		why  string
		took time.Duration // of an attempt
		want bool
	}{
		{"slow endpoints use all slots", time.Hour, true},
		{"the endpoint keeps up, and more is queued than it gets at once", 5 * time.Millisecond, false},
	} {
		inBubble(t, func(r *rig) {
			r.o.Limits.InFlight, r.o.Limits.LaneInFlight = 8, 8
			r.endpoint = answers(200, 5*time.Millisecond)
			r.run()
			sub := r.subscribe()
			for range 100 { // so that the throughput is known
				r.passedOn(sub)
				r.wait(5 * time.Millisecond)
			}
			if r.d.SlotsTaken() {
				t.Error("slots are taken, although nothing is in flight")
			}
			r.endpoint = answers(200, row.took)
			for range 19 {
				r.passedOn(sub)
			}
			if row.want {
				other := r.subscribe() // the last slots are kept for it
				r.passedOn(other)
				r.passedOn(other)
				r.wait(time.Second) // neither keeps up any more
			}
			if taken := r.d.SlotsTaken(); taken != row.want {
				t.Errorf("%s: slots are taken: %v", row.why, taken)
			}
			r.end()
			r.wait(2 * time.Hour)
			<-r.ended
		})
	}
}

func (r *rig) leasedBy(owner string) (n int) {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	for _, row := range r.store.rows {
		if row.d.LeaseOwner == owner {
			n++
		}
	}
	return n
}
