package dispatch

import (
	"slices"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// passedOn stores a delivery as a node does that only takes events in, with a lease in
// its own name, and offers it to the dispatcher.
func (r *rig) passedOn(sub event.Subscription) (id event.ID, taken bool) {
	c := r.claimed(sub)
	c.Delivery.LeaseOwner, c.Delivery.LeasedUntil = "node-api", time.Now().Add(r.o.Lease)
	r.store.add(c)
	return c.Delivery.ID, r.d.Offer(r.t.Context(), c)
}

// What another node passed on is attempted at once, without a claim, and its lease is
// kept alive in that node's name as long as the attempt takes.
func TestPassedOnDeliveryIsMade(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, time.Minute)
		stop := r.otherNode()
		r.run()
		r.wait(time.Second)
		id, taken := r.passedOn(r.subscribe())
		r.wait(2 * time.Minute)
		if got := r.sentAt(id); !taken || !slices.Equal(got, []time.Duration{time.Second}) {
			t.Errorf("taken %v, attempted after %v, want once after 1s", taken, got)
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

// What there is no room for is due again in the store, and is made from there.
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
			t.Error("a lane took twice what it may hold")
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

// A node that stops takes nothing over and leaves nothing leased, whoever's lease it was.
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
			t.Errorf("room for %d while stopping", room)
		}
		after, taken := r.passedOn(sub)
		if taken {
			t.Error("it was taken over while stopping")
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

// DiskSpace is what could start now: a full lane takes nothing from it, full slots all.
func TestCapacity(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, time.Hour)
		r.run()
		r.wait(time.Second)
		if room := r.d.Capacity(); room != r.o.Limits.InFlight {
			t.Errorf("an idle node has room for %d, want %d", room, r.o.Limits.InFlight)
		}
		sub := r.subscribe()
		for range 20 {
			r.passedOn(sub)
		}
		r.wait(time.Second)
		if room := r.d.Capacity(); room != r.o.Limits.InFlight-initialInFlight {
			t.Errorf("with %d under way there is room for %d of %d", initialInFlight, room, r.o.Limits.InFlight)
		}
		r.end()
		r.wait(time.Hour)
		<-r.ended
	})
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
