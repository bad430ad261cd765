package dispatch

import (
	"context"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// If this machine lacks descriptors, that says nothing about the endpoint. The delivery keeps its
// lease and is tried every second. In the end it has one attempt on record.
func TestShortageIsNoAttempt(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Policy = nil // the first failed attempt is the last
		r.endpoint = func(ctx context.Context, _ event.Subscription, _ event.Claimed) event.Outcome {
			if time.Since(r.began) < 40*time.Second { // longer than a lease
				return event.Outcome{Code: event.CodeNetwork, Error: "too many open files", Short: true}
			}
			return answer(ctx, 200, 0)
		}
		sub := r.subscribe()
		r.run()
		id, _ := r.ingest(sub)
		r.wait(2 * time.Minute)
		if at := r.sentAt(id); len(at) != 41 {
			t.Errorf("tried %d times: %v, want once a second for 40 seconds, and once more", len(at), at)
		}
		r.stop()
		r.empty()
		if got := r.row(id); got.d.Status != event.Delivered || len(got.attempts) != 1 {
			t.Errorf("it is %v with %d attempts", got.d.Status, len(got.attempts))
		}
	})
}

// A dispatcher that stops does not wait for descriptors.
func TestShortageWhileStopping(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = func(context.Context, event.Subscription, event.Claimed) event.Outcome {
			return event.Outcome{Code: event.CodeNetwork, Error: "too many open files", Short: true}
		}
		sub := r.subscribe()
		r.run()
		id, _ := r.ingest(sub)
		r.wait(5 * time.Second)
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > shortPause {
			t.Errorf("stopped after %v", took)
		}
		if got := r.row(id); got.d.Status != event.Pending || got.d.LeaseOwner != "" {
			t.Errorf("left as %+v", got.d)
		}
	})
}

// row returns the store's row of an event's delivery.
func (r *rig) row(of event.ID) row {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	for _, one := range r.store.rows {
		if one.e.ID == of {
			return *one
		}
	}
	return row{}
}
