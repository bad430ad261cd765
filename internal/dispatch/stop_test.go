package dispatch

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

func TestStopLetsAttemptsEndAndReleasesTheRest(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, 20*time.Second)
		r.run()
		sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 2 })
		var ids []event.ID
		for range 5 {
			id, _ := r.ingest(sub)
			ids = append(ids, id)
		}
		r.wait(time.Second)
		r.end()
		r.wait(time.Second)
		if n := r.store.leased(); n != 2 {
			t.Errorf("%d deliveries are leased while it stops, want those of the two attempts under way", n)
		}
		if _, ok := r.d.Reserve(context.Background(), sub, 1); ok {
			t.Error("it reserves capacity for new events while it stops")
		}
		r.stop()
		if took := time.Since(r.began); took != 20*time.Second {
			t.Errorf("it stopped after %v, want 20s: when the attempts ended", took)
		}
		for i, id := range ids {
			if i < 2 {
				r.is(id, event.Delivered, 1)
			} else {
				r.is(id, event.Pending, 0)
			}
		}
		r.empty()
	})
}

func TestStopBreaksOffAfterTheGrace(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, time.Minute)
		r.run()
		id, _ := r.ingest(r.subscribe())
		r.wait(time.Second)
		r.end()
		if err := <-r.ended; err == nil || !strings.Contains(err.Error(), "30s") {
			t.Errorf("Run ended with %v, want an error that names the grace", err)
		}
		if took := time.Since(r.began); took != 31*time.Second {
			t.Errorf("it stopped after %v, want the grace of 30s", took)
		}
		r.is(id, event.Pending, 0)
		r.empty()
	})
}

// The response of an endpoint is recorded even if the dispatcher stops at that moment.
func TestStopKeepsAnswers(t *testing.T) {
	for status, want := range map[int]event.Status{200: event.Delivered, 500: event.Pending, 410: event.Failed} {
		inBubble(t, func(r *rig) {
			r.endpoint = func(ctx context.Context, sub event.Subscription, e event.Claimed) event.Outcome {
				<-ctx.Done() // the response comes when the grace period ends
				return answer(context.Background(), status, 0)
			}
			r.run()
			id, _ := r.ingest(r.subscribe())
			r.wait(time.Second)
			r.end()
			<-r.ended
			r.is(id, want, 1)
			r.empty()
		})
	}
}

func TestStopWithNothingToDo(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.run()
		r.wait(time.Second)
		r.stop()
		if took := time.Since(r.began); took != time.Second {
			t.Errorf("it took %v to stop", took-time.Second)
		}
	})
}

// A delivery that ingest stores while the dispatcher stops is released.
func TestStopReleasesWhatIsHandedOver(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, 10*time.Second)
		r.run()
		sub := r.subscribe()
		r.ingest(sub)
		late := r.claimed(sub)
		lease, ok := r.d.Reserve(context.Background(), sub, len(late.Event.Payload))
		late.Delivery.LeaseOwner, late.Delivery.LeasedUntil = lease.Owner, lease.Until
		r.store.add(late)
		_, second := r.d.Reserve(context.Background(), sub, 7)
		r.wait(time.Second)
		r.end()
		r.wait(time.Second)
		r.d.Deliver(late)
		r.d.Cancel(sub.ID, 7)
		r.stop()
		if !ok || !second {
			t.Fatal("there was no capacity")
		}
		r.is(late.Delivery.ID, event.Pending, 0)
		r.empty()
	})
}

// The leases of attempts that may still end must not run out meanwhile, because another node would
// attempt the deliveries too.
func TestStopKeepsLeases(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Grace = time.Minute
		r.endpoint = answers(200, 50*time.Second)
		stop := r.otherNode()
		r.run()
		id, _ := r.ingest(r.subscribe())
		r.wait(time.Second)
		r.stop()
		if r.store.tookOver() != 0 {
			t.Errorf("%d leases ran out", r.store.tookOver())
		}
		r.is(id, event.Delivered, 1)
		stop()
		r.empty()
	})
}

// If the store is unavailable and as many outcomes as possible wait for it, only the recorder's tries
// delay the stop.
func TestStopWhileTheStoreIsAway(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Limits = Limits{InFlight: 100, LaneInFlight: 100, LaneDepth: 10_000, Buffered: 10_000, BufferedBytes: 1 << 20}
		r.store.onRecord = r.away(time.Hour)
		sub := r.subscribe()
		for range maxUnrecorded + 2000 {
			r.due(sub, 0)
		}
		r.run()
		r.wait(10 * time.Second)
		r.end()
		began := time.Now()
		select {
		case <-r.ended:
		case <-time.After(30 * time.Minute):
			t.Error("it has not stopped after half an hour")
			<-r.ended
		}
		if took := time.Since(began); took > r.o.Grace+2*maxFailures*recordRetryInterval {
			t.Errorf("it stopped after %v", took)
		}
	})
}
