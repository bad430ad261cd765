package dispatch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// away makes a hook that fails from the beginning of the rig until the given time.
func (r *rig) away(until time.Duration) func() error {
	return func() error {
		if time.Since(r.began) < until {
			return errAway
		}
		return nil
	}
}

// While outcomes can't be recorded, they are kept in memory, and attempts stop before memory is
// full. When the store is available again, all outcomes are recorded, and deliveries continue.
func TestOutcomesWaitForTheStore(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Limits = Limits{InFlight: 100, LaneInFlight: 100, LaneDepth: 10_000, Buffered: 10_000, BufferedBytes: 1 << 20}
		r.store.onRecord = r.away(time.Minute)
		sub := r.subscribe()
		const all = maxUnrecorded + 2000
		for range all {
			r.due(sub, 0)
		}
		r.run()
		r.wait(50 * time.Second)
		most := maxUnrecorded + maxRecord + r.o.Limits.InFlight
		if n := r.allSent(); n > most || n < maxUnrecorded {
			t.Errorf("%d attempts were made while none could be recorded, want at most %d", n, most)
		}
		if n := r.payloadsKept(); n > 0 {
			t.Errorf("%d bytes of payloads are kept with the unrecorded outcomes: they would fill the memory", n)
		}
		r.wait(time.Minute)
		if n := r.store.count()[event.Delivered]; n != all || r.allSent() != all {
			t.Errorf("%d delivered after %d attempts, want %d of both", n, r.allSent(), all)
		}
		r.stop()
		r.empty()
	})
}

// payloadsKept returns the size of the payloads that are kept with unrecorded outcomes.
func (r *rig) payloadsKept() (n int) {
	r.d.recorder.mu.Lock()
	defer r.d.recorder.mu.Unlock()
	for _, w := range r.d.recorder.unrecorded {
		n += len(w.work.claimed.Event.Payload)
	}
	return n
}

// If the store is unavailable for longer than a lease, no outcome is lost and no delivery is
// attempted again. (Either the lease is renewed, or there is no other node to end it.)
func TestOutcomeOutlastsItsLease(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.store.onRecord = r.away(5 * time.Minute)
		r.run()
		id, _ := r.ingest(r.subscribe())
		r.wait(6 * time.Minute)
		if got := r.sentAt(id); len(got) != 1 {
			t.Errorf("attempted after %v, want once", got)
		}
		r.is(id, event.Delivered, 1)
		r.stop()
		r.empty()
	})
}

// Recording and claiming share the store with new events. Outcomes that are recorded together cost
// one call.
func TestOutcomesAreRecordedTogether(t *testing.T) {
	inBubble(t, func(r *rig) {
		calls := 0
		r.store.onRecord = func() error {
			calls++
			time.Sleep(100 * time.Millisecond) // more arrive meanwhile
			return nil
		}
		r.o.Limits.LaneDepth = 1000
		r.run()
		sub := r.subscribe()
		for range 400 {
			r.ingest(sub)
			r.wait(time.Millisecond)
		}
		r.wait(time.Second)
		if n := r.store.count()[event.Delivered]; n != 400 || calls > 6 {
			t.Errorf("%d delivered with %d calls, want 400 with about one in 100 ms", n, calls)
		}
		r.stop()
	})
}

// 410 Gone is recorded with the reason, so that the store makes the subscription inactive.
func TestGoneDisables(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(410, 0)
		r.run()
		id, _ := r.ingest(r.subscribe())
		r.wait(time.Hour)
		r.is(id, event.Failed, 1)
		r.stop()
	})
}

// A settlement that the store refuses permanently does not keep others from being written, and is
// recorded without the text from the endpoint.
func TestRefusedRecord(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = func(_ context.Context, _ event.Subscription, e event.Claimed) event.Outcome {
			if string(e.Event.Payload) == `"poison"` {
				return event.Outcome{StatusCode: 500, Code: event.CodeStatus, Error: "poison", Response: []byte("poison")}
			}
			return event.Outcome{StatusCode: 200}
		}
		r.store.onSettlement = func(s event.Settlement) error {
			if s.Attempt.Outcome.Error == "poison" || len(s.Attempt.Outcome.Response) > 0 {
				return errors.New("invalid byte sequence")
			}
			return nil
		}
		r.o.Policy = nil
		sub := r.subscribe()
		var all []event.ID
		for n := range 20 {
			id := r.due(sub, 0)
			if all = append(all, id); n == 7 {
				r.store.rows[id].e.Payload = []byte(`"poison"`)
			}
		}
		r.run()
		r.wait(time.Minute)
		for n, id := range all {
			want := event.Delivered
			if n == 7 {
				want = event.Failed
			}
			if r.is(id, want, 1); len(r.sentAt(id)) != 1 {
				t.Errorf("delivery %d was attempted after %v, want once", n, r.sentAt(id))
			}
		}
		if a := r.store.row(all[7]).attempts; len(a) != 1 || a[0].Outcome.StatusCode != 500 || a[0].Outcome.Error == "" {
			t.Errorf("the record is %+v, want the status code, and an error that says that the text is missing", a)
		}
		r.stop()
		r.empty()
	})
}

// The log contains details that callers of the API must not see.
func TestTheLogSaysWhatCallersMayNotRead(t *testing.T) {
	inBubble(t, func(r *rig) {
		var log bytes.Buffer
		r.o.Log = slog.New(slog.NewTextHandler(&log, nil))
		r.endpoint = func(context.Context, event.Subscription, event.Claimed) event.Outcome {
			return event.Outcome{Code: event.CodeBlocked, Error: "a name leads to a private address", Detail: "10.1.2.3 is a private address"}
		}
		r.run()
		id, _ := r.ingest(r.subscribe())
		r.wait(time.Second)
		r.is(id, event.Failed, 1)
		r.stop()
		if !strings.Contains(log.String(), `detail="10.1.2.3 is a private address"`) {
			t.Errorf("the log lacks the address: %s", log.String())
		}
	})
}

// The recorder tries about five times a second, and the log may be on the disk that is full.
func TestTheLogTellsOfFailuresNowAndThen(t *testing.T) {
	inBubble(t, func(r *rig) {
		var log bytes.Buffer
		r.o.Log = slog.New(slog.NewTextHandler(&log, nil))
		r.store.onRecord = r.away(12 * time.Second)
		r.due(r.subscribe(), 0)
		r.run()
		r.wait(13 * time.Second)
		r.stop()
		if n := strings.Count(log.String(), "could not record"); n != 3 {
			t.Errorf("failures were logged %d times in 12 s, want 3: at once and every 5 s\n%s", n, log.String())
		}
		r.empty()
	})
}
