package dispatch

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// TestNothingIsSentUnsignedWithoutAKey checks that a delivery waits while its subscription's secrets
// can't be decrypted, and is delivered afterwards. It does so for each way in which a delivery
// arrives.
func TestNothingIsSentUnsignedWithoutAKey(t *testing.T) {
	inBubble(t, func(r *rig) {
		var log bytes.Buffer
		r.o.Log = slog.New(slog.NewTextHandler(&log, nil))
		sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 1 })
		other := r.subscribe()
		r.endpoint = answers(200, time.Second)
		r.run()
		first, _ := r.ingest(sub)
		second, _ := r.ingest(sub) // waits in its lane
		r.wait(0)
		const why = "its secrets are encrypted with the master key 1a2b3c4d"
		r.change(sub.ID, func(s *event.Subscription) { s.Sealed = why })
		sub.Sealed = why
		third, reserved := r.ingest(sub)
		if reserved {
			t.Error("it was reserved, although it can't be delivered")
		}
		r.wait(10 * time.Minute)
		r.is(first, event.Delivered, 1) // it was under way
		r.is(second, event.Pending, 0)
		r.is(third, event.Pending, 0)
		if r.store.leased() != 0 {
			t.Errorf("%d deliveries are leased", r.store.leased())
		}
		if n := strings.Count(log.String(), why); n < 1 || n > 30 {
			t.Errorf("the reason was logged %d times in ten minutes", n)
		}
		if n := r.store.claimCount(); n > 2000 {
			t.Errorf("%d claims in ten minutes", n)
		}
		quiet, _ := r.ingest(other)
		r.wait(2 * time.Second)
		r.is(quiet, event.Delivered, 1)

		r.change(sub.ID, func(s *event.Subscription) { s.Sealed = "" })
		r.wait(time.Minute)
		r.is(second, event.Delivered, 1)
		r.is(third, event.Delivered, 1)
		r.stop()
		r.empty()
	})
}
