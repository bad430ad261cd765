package dispatch

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// limited is an endpoint that accepts a number of requests in each second, and refuses more with
// Retry-After.
type limited struct {
	perSecond  int
	retryAfter time.Duration
	takes      time.Duration

	mu       sync.Mutex
	second   int64
	n        int
	refused  int
	early    int // requests that began before the time that it had asked for
	quiet    time.Time
	asked    time.Time // when it asked for that
	inFlight int
	most     int // in flight at once
}

func (l *limited) respond(ctx context.Context, _ event.Subscription, _ event.Claimed) event.Outcome {
	l.mu.Lock()
	now := time.Now()
	if l.inFlight++; l.inFlight > l.most {
		l.most = l.inFlight
	}
	if now.Before(l.quiet) && now.After(l.asked) {
		l.early++
	}
	if now.Unix() != l.second {
		l.second, l.n = now.Unix(), 0
	}
	l.n++
	takes := l.n <= l.perSecond
	l.mu.Unlock()
	o := answer(ctx, 200, l.takes)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	if !takes {
		l.refused++
		if until := time.Now().Add(l.retryAfter); until.After(l.quiet) {
			l.quiet, l.asked = until, time.Now()
		}
		return refuses(l.retryAfter)
	}
	return o
}

// look returns how many requests are in flight, and the maximum since the last call.
func (l *limited) look() (inFlight, most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	inFlight, most = l.inFlight, l.most
	l.most = 0
	return inFlight, most
}

func refuses(after time.Duration) event.Outcome {
	return event.Outcome{StatusCode: 429, Code: event.CodeStatus, Error: "429", RetryAfter: after}
}

// A burst at an endpoint that accepts 20 a second is delivered completely with five retries of a
// second each, because a refusal uses no retry.
func TestBurstAtARateLimitedEndpoint(t *testing.T) {
	inBubble(t, func(r *rig) {
		l := &limited{perSecond: 20, retryAfter: time.Second, takes: 5 * time.Millisecond}
		r.endpoint = l.respond
		r.o.Policy = slices.Repeat(event.RetryPolicy{time.Second}, 5)
		r.run()
		sub := r.subscribe()
		var all []event.ID
		for range 300 {
			id, _ := r.ingest(sub)
			all = append(all, id)
		}
		r.wait(40 * time.Second)
		if n := r.store.count()[event.Delivered]; n != 300 {
			t.Errorf("%d of 300 are delivered after 40 s: %v", n, r.store.count())
		}
		if l.early > 0 {
			t.Errorf("%d requests began while the endpoint was held back", l.early)
		}
		if l.refused > 150 {
			t.Errorf("%d requests were refused for 300 events", l.refused)
		}
		for _, id := range all {
			if row := r.store.row(id); row.d.Attempts-row.d.RoundFrom > 1 {
				t.Errorf("a refused delivery used %d steps of its schedule", row.d.Attempts-row.d.RoundFrom)
			}
		}
		r.stop()
		r.empty()
	})
}

// An endpoint that asks for a long wait gets no request for that time, neither from the store nor
// from memory, even if events are published meanwhile. Then it gets one request, and within seconds
// its full concurrency.
func TestLongWait(t *testing.T) {
	inBubble(t, func(r *rig) {
		const wait = 10 * time.Minute
		var busy atomic.Bool
		busy.Store(true)
		l := &limited{perSecond: 1 << 30, takes: 100 * time.Millisecond}
		r.endpoint = func(ctx context.Context, sub event.Subscription, c event.Claimed) event.Outcome {
			if busy.Load() {
				return refuses(wait)
			}
			return l.respond(ctx, sub, c)
		}
		r.run()
		sub := r.subscribe()
		for range 200 {
			r.ingest(sub)
		}
		r.wait(time.Second)
		refused := r.allSent()
		if refused > initialInFlight {
			t.Errorf("%d requests before the endpoint was held back", refused)
		}
		busy.Store(false)
		sub, _ = r.store.Subscription(context.Background(), sub.ID)
		for range 200 {
			if _, reserved := r.ingest(sub); reserved {
				t.Fatal("a delivery was reserved, and would wait in memory for ten minutes")
			}
			r.wait(time.Second)
		}
		if n := r.store.leased(); n > 0 {
			t.Errorf("%d waiting deliveries are leased", n)
		}
		claims := r.store.claimCount()
		r.wait(wait - 202*time.Second)
		if n := r.allSent(); n != refused {
			t.Errorf("%d requests while the endpoint was held back", n-refused)
		}
		if n := r.store.claimCount() - claims; n > 1000 {
			t.Errorf("%d claims in %v", n, wait-202*time.Second)
		}
		r.wait(2 * time.Second)
		r.wait(8 * time.Second)
		if n := r.store.count()[event.Delivered]; n < 300 {
			t.Errorf("%d are delivered within ten seconds of the endpoint's recovery", n)
		}
		if _, most := l.look(); most != 10 {
			t.Errorf("at most %d were in flight at once, want the lane's 10 again", most)
		}
		r.wait(time.Minute)
		if n := r.store.count()[event.Delivered]; n != 400 {
			t.Errorf("in the end: %v", r.store.count())
		}
		r.stop()
		r.empty()
	})
}

// After a refusal one request follows, and one more with each success.
func TestOneProbe(t *testing.T) {
	inBubble(t, func(r *rig) {
		var busy atomic.Bool
		busy.Store(true)
		l := &limited{perSecond: 1 << 30, takes: time.Second}
		r.endpoint = func(ctx context.Context, sub event.Subscription, c event.Claimed) event.Outcome {
			if busy.Load() {
				return refuses(5 * time.Second)
			}
			return l.respond(ctx, sub, c)
		}
		r.run()
		sub := r.subscribe()
		for range 20 {
			r.ingest(sub)
		}
		r.wait(4500 * time.Millisecond)
		busy.Store(false)
		for i, want := range []int{0, 1, 2, 4, 8} { // in flight after each second
			if got, _ := l.look(); got != want {
				t.Errorf("%d.5 s after the refusal %d are in flight, want %d", 4+i, got, want)
			}
			r.wait(time.Second)
		}
		r.wait(time.Minute)
		if n := r.store.count()[event.Delivered]; n != 20 {
			t.Errorf("in the end: %v", r.store.count())
		}
		r.stop()
	})
}

// The health that another node has recorded applies here as soon as the subscription is read again.
func TestAnotherNodesRefusal(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, time.Second)
		r.run()
		sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 1 })
		for range 10 {
			r.ingest(sub)
		}
		r.wait(1500 * time.Millisecond)
		r.change(sub.ID, func(s *event.Subscription) {
			s.Health = s.Health.After(event.HealthChange{Kind: event.HealthRefused, StartedAt: time.Now(), At: time.Now(), RetryAfter: time.Minute})
		})
		r.wait(time.Second)
		sent := r.allSent()
		r.wait(58 * time.Second)
		if n := r.allSent(); n != sent {
			t.Errorf("%d requests, although the endpoint had asked another node to wait", n-sent)
		}
		r.wait(30 * time.Second)
		if n := r.store.count()[event.Delivered]; n != 10 {
			t.Errorf("in the end: %v", r.store.count())
		}
		r.stop()
		r.empty()
	})
}

// A node that starts respects the waits that endpoints have asked the previous process for.
func TestRefusalSurvivesARestart(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = func(context.Context, event.Subscription, event.Claimed) event.Outcome { return refuses(time.Hour) }
		r.run()
		sub := r.subscribe()
		first, _ := r.ingest(sub)
		r.wait(time.Second)
		r.stop()
		sent := r.allSent()
		r.endpoint = answers(200, 0)
		r.run()
		sub, _ = r.store.Subscription(context.Background(), sub.ID)
		r.ingest(sub)
		r.wait(58 * time.Minute)
		if n := r.allSent(); n != sent {
			t.Errorf("%d requests after the restart", n-sent)
		}
		r.wait(3 * time.Minute)
		r.is(first, event.Delivered, 2)
		r.stop()
		r.empty()
	})
}

// A delivery that is refused for 24 hours fails without another request. A younger one stays
// pending.
func TestRefusedTooLong(t *testing.T) {
	inBubble(t, func(r *rig) {
		var takes atomic.Bool
		r.endpoint = func(ctx context.Context, _ event.Subscription, _ event.Claimed) event.Outcome {
			if takes.Load() {
				return answer(ctx, 200, 0)
			}
			return refuses(time.Minute)
		}
		r.run()
		sub := r.subscribe()
		var old []event.ID
		for range 30 {
			id, _ := r.ingest(sub)
			old = append(old, id)
		}
		r.wait(12 * time.Hour)
		sub, _ = r.store.Subscription(context.Background(), sub.ID)
		young, _ := r.ingest(sub)
		r.wait(12*time.Hour + 10*time.Minute)
		for _, id := range old {
			row := r.store.row(id)
			last := row.attempts[len(row.attempts)-1]
			if row.d.Status != event.Failed || last.Outcome.Code != event.CodeRefusedTooLong || !row.d.SettledAt.After(row.d.CreatedAt.Add(24*time.Hour-time.Second)) {
				t.Fatalf("after 24 hours: %v, settled at %v, the last code is %q", row.d.Status, row.d.SettledAt, last.Outcome.Code)
			}
			if n := len(r.sentAt(id)); n != len(row.attempts)-1 {
				t.Errorf("%d requests for %d attempts, want no request for the last attempt", n, len(row.attempts))
			}
		}
		if row := r.store.row(young); row.d.Status != event.Pending {
			t.Errorf("one that waits for 12 hours is %v", row.d.Status)
		}
		if n := r.allSent(); n > 24*12+60 {
			t.Errorf("%d requests in 24 hours", n)
		}
		takes.Store(true)
		r.wait(10 * time.Minute)
		if row := r.store.row(young); row.d.Status != event.Delivered {
			t.Errorf("when the endpoint accepts requests again, it is %v", row.d.Status)
		}
		r.stop()
		r.empty()
	})
}

// A failing endpoint gets one request at a time. Each delivery follows its retry schedule.
func TestFailing(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Policy = event.RetryPolicy{10 * time.Second, 30 * time.Second, 60 * time.Second, 5 * time.Minute, 15 * time.Minute}
		r.o.Jitter = func() float64 { return 0.5 }
		var fails atomic.Bool
		fails.Store(true)
		l := &limited{perSecond: 1 << 30, takes: 100 * time.Millisecond}
		r.endpoint = func(ctx context.Context, sub event.Subscription, c event.Claimed) event.Outcome {
			o := l.respond(ctx, sub, c)
			if fails.Load() {
				o.StatusCode, o.Code, o.Error = 500, event.CodeStatus, "500"
			}
			return o
		}
		r.run()
		sub := r.subscribe()
		one, _ := r.ingest(sub)
		r.wait(30 * time.Minute)
		want := []time.Duration{0}
		for _, delay := range r.o.Policy {
			want = append(want, want[len(want)-1]+delay+100*time.Millisecond)
		}
		got := r.sentAt(one)
		for i := range got {
			if len(got) != len(want) || got[i] < want[i] || got[i] > want[i]+time.Millisecond {
				t.Fatalf("attempts at %v, want the schedule: %v", got, want)
			}
		}
		r.is(one, event.Failed, 6)
		sub, _ = r.store.Subscription(context.Background(), sub.ID)
		if !sub.Health.Failing {
			t.Fatal("the endpoint is not failing after five failures in a row")
		}
		l.look()
		for range 20 {
			r.ingest(sub)
		}
		r.wait(5 * time.Second)
		if _, most := l.look(); most != 1 {
			t.Errorf("%d requests at once to a failing endpoint", most)
		}
		fails.Store(false)
		r.wait(time.Hour)
		if n := r.store.count()[event.Delivered]; n != 20 {
			t.Errorf("in the end: %v", r.store.count())
		}
		if sub, _ = r.store.Subscription(context.Background(), sub.ID); sub.Health.Failing {
			t.Error("it is still failing after a success")
		}
		l.look()
		for range 20 {
			r.ingest(sub)
		}
		r.wait(time.Minute)
		if _, most := l.look(); most < initialInFlight {
			t.Errorf("at most %d at once after the recovery, want at least as many as in a new lane", most)
		}
		r.stop()
		r.empty()
	})
}

// All failing endpoints together use at most a quarter of the slots.
func TestFailingLanesShareAQuarter(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Limits.InFlight = 20
		r.endpoint = answers(500, time.Second)
		r.run()
		for range 12 {
			sub := r.subscribe(func(s *event.Subscription) {
				s.Health = event.Health{Failing: true, FailingSince: time.Now(), ChangedAt: time.Now()}
			})
			for range 5 {
				r.ingest(sub)
			}
		}
		r.wait(0)
		for range 30 {
			r.d.mu.Lock()
			inFlight := r.d.lanes.inFlight
			r.d.mu.Unlock()
			if inFlight > 5 {
				t.Fatalf("failing lanes use %d of 20 slots", inFlight)
			}
			r.wait(time.Second)
		}
		r.wait(20 * time.Minute)
		if n := r.store.count()[event.Failed]; n != 60 {
			t.Errorf("in the end: %v", r.store.count())
		}
		r.stop()
		r.empty()
	})
}

// A pause holds queued and new deliveries. Attempts under way end.
func TestPause(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.endpoint = answers(200, time.Second)
		r.run()
		sub := r.subscribe(func(s *event.Subscription) { s.MaxInFlight = 1 })
		first, _ := r.ingest(sub)
		second, _ := r.ingest(sub)
		r.wait(0)
		r.change(sub.ID, func(s *event.Subscription) { s.PausedAt = time.Now() })
		sub.PausedAt = time.Now()
		third, reserved := r.ingest(sub)
		if reserved {
			t.Error("a delivery of a paused subscription was reserved")
		}
		claims := r.store.claimCount()
		r.wait(10 * time.Minute)
		r.is(first, event.Delivered, 1)
		r.is(second, event.Pending, 0)
		r.is(third, event.Pending, 0)
		if n := r.store.leased(); n > 0 {
			t.Errorf("%d deliveries are leased", n)
		}
		if n := r.store.claimCount() - claims; n > 700 {
			t.Errorf("%d claims in ten minutes", n)
		}
		r.change(sub.ID, func(s *event.Subscription) { s.PausedAt = time.Time{} })
		r.wait(5 * time.Second)
		r.is(second, event.Delivered, 1)
		r.is(third, event.Delivered, 1)
		r.stop()
		r.empty()
	})
}

// Deliveries are claimed even while very many others are unparked.
func TestUnparkingLeavesTimeForClaims(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.store.parked = true
		r.run()
		sub := r.subscribe()
		id := r.due(sub, 1500*time.Millisecond)
		r.wait(1600 * time.Millisecond)
		r.is(id, event.Delivered, 1)
		r.stop()
	})
}
