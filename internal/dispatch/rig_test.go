package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// rig is a dispatcher on a store in memory, with endpoints that the test scripts. It lives in a
// synctest bubble, whose time passes only when every goroutine waits.
type rig struct {
	t        *testing.T
	o        Options
	store    *memory
	endpoint func(ctx context.Context, sub event.Subscription, e event.Claimed) event.Outcome
	d        *Dispatcher
	began    time.Time
	end      context.CancelFunc
	ended    chan error

	mu       sync.Mutex
	sent     []sent
	inFlight int
}

type sent struct {
	event event.ID
	after time.Duration // since the rig began
}

// inBubble runs a test with a rig that has small limits and is not started yet.
func inBubble(t *testing.T, play func(r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, began: time.Now(), endpoint: answers(200, 0), ended: make(chan error, 1)}
		r.store = &memory{rows: map[event.ID]*row{}, subs: map[event.ID]event.Subscription{}}
		r.o = Options{
			Node: "node-a", Store: r.store, Subscriptions: r.store, Sender: r, Observer: r, Log: slog.New(slog.DiscardHandler),
			Policy: event.RetryPolicy{10 * time.Second, time.Minute}, Lease: 15 * time.Second, Grace: 30 * time.Second,
			Limits: Limits{InFlight: 100, LaneInFlight: 10, LaneDepth: 40, Buffered: 10_000, BufferedBytes: 1 << 20},
		}
		play(r)
	})
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.end, r.d = cancel, New(r.o)
	go func() { r.ended <- r.d.Run(ctx) }()
}

// stop stops the dispatcher, which must return no error.
func (r *rig) stop() {
	r.t.Helper()
	r.end()
	if err := <-r.ended; err != nil {
		r.t.Errorf("Run ended with: %v", err)
	}
}

// wait lets time pass, and returns when everything that is due at that instant has happened.
func (r *rig) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Send makes the rig a Sender.
func (r *rig) Send(ctx context.Context, sub event.Subscription, e event.Claimed) event.Outcome {
	began := time.Now()
	r.mu.Lock()
	r.sent = append(r.sent, sent{e.Event.ID, began.Sub(r.began)})
	r.mu.Unlock()
	o := r.endpoint(ctx, sub, e)
	o.StartedAt, o.Duration = began, time.Since(began)
	return o
}

// InFlight and Attempt make the rig an Observer.
func (r *rig) InFlight(delta int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight += delta
}

func (r *rig) Attempt(event.Settlement) {}

// sentAt returns when each attempt at an event began.
func (r *rig) sentAt(id event.ID) []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var at []time.Duration
	for _, s := range r.sent {
		if s.event == id {
			at = append(at, s.after)
		}
	}
	return at
}

func (r *rig) allSent() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sent)
}

// answers is an endpoint that responds after a time, unless the attempt is aborted.
func answers(status int, after time.Duration) func(context.Context, event.Subscription, event.Claimed) event.Outcome {
	return func(ctx context.Context, _ event.Subscription, _ event.Claimed) event.Outcome {
		return answer(ctx, status, after)
	}
}

// pass lets time pass, and returns false if ctx has ended. It sets no timer for no time: many
// timers that are due at once in one bubble crash the race detector's runtime
// (golang.org/issue/78156).
func pass(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func answer(ctx context.Context, status int, after time.Duration) event.Outcome {
	if !pass(ctx, after) {
		return event.Outcome{Code: event.CodeConnectionClosed, Error: "broken off"}
	}
	o := event.Outcome{StatusCode: status}
	switch {
	case status == 0:
		o.Code, o.Error = event.CodeTimeout, "no answer"
	case status == 410:
		o.Code, o.Error = event.CodeGone, "gone"
	case status != 200:
		o.Code, o.Error = event.CodeStatus, "refused"
	}
	return o
}

func (r *rig) subscribe(edits ...func(*event.Subscription)) event.Subscription {
	sub := event.Subscription{ID: event.NewID(time.Now()), Active: true}
	for _, edit := range edits {
		edit(&sub)
	}
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.store.subs[sub.ID] = sub
	return sub
}

// change edits a subscription, as the API would.
func (r *rig) change(id event.ID, edit func(*event.Subscription)) {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	sub := r.store.subs[id]
	edit(&sub)
	r.store.subs[id] = sub
}

// due stores a delivery that becomes due after a time.
func (r *rig) due(sub event.Subscription, after time.Duration) event.ID {
	c := r.claimed(sub)
	c.Delivery.DueAt = c.Delivery.DueAt.Add(after)
	r.store.add(c)
	return c.Delivery.ID
}

// ingest stores a delivery as ingest does, with a reservation if there is capacity.
func (r *rig) ingest(sub event.Subscription) (id event.ID, reserved bool) {
	id, reserved = r.handOver(sub)
	if !reserved {
		c := r.claimed(sub)
		id = c.Delivery.ID
		r.store.add(c)
		r.d.Overflow(sub.ID)
	}
	return id, reserved
}

// handOver is like ingest, for events that are dropped if there is no capacity.
func (r *rig) handOver(sub event.Subscription) (id event.ID, reserved bool) {
	c := r.claimed(sub)
	lease, reserved := r.d.Reserve(context.Background(), sub, len(c.Event.Payload))
	if reserved {
		c.Delivery.LeaseOwner, c.Delivery.LeasedUntil = lease.Owner, lease.Until
		r.store.add(c)
		r.d.Deliver(c)
	}
	return c.Delivery.ID, reserved
}

func (r *rig) claimed(sub event.Subscription) event.Claimed {
	now := time.Now()
	id := event.NewID(now) // of both the event and the delivery, which makes tests shorter
	return event.Claimed{
		Delivery: event.Delivery{ID: id, EventID: id, SubscriptionID: sub.ID, DueAt: now, CreatedAt: now},
		Event:    event.Event{ID: id, Type: "user.created", Payload: []byte(`{}`), CreatedAt: now},
	}
}

// heldNow returns how many leases the dispatcher has.
func (r *rig) leasesNow() int {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	return r.d.leases.n
}

// is checks the state of a delivery in the store.
func (r *rig) is(id event.ID, want event.Status, attempts int) {
	r.t.Helper()
	row := r.store.row(id)
	if row.d.Status != want || row.d.Attempts != attempts || len(row.attempts) != attempts {
		r.t.Errorf("the delivery is %v after %d attempts with %d on record, want %v after %d",
			row.d.Status, row.d.Attempts, len(row.attempts), want, attempts)
	}
}

// empty checks that a stopped dispatcher has no deliveries left in memory, and no leases.
func (r *rig) empty() {
	r.t.Helper()
	synctest.Wait()
	d := r.d
	if d.inFlight != 0 || d.lanes.buffered != 0 || d.lanes.bytes != 0 || d.leases.n != 0 || r.inFlight != 0 {
		r.t.Errorf("left: %d in flight, %d in lanes with %d bytes, %d leases, the gauge at %d",
			d.inFlight, d.lanes.buffered, d.lanes.bytes, d.leases.n, r.inFlight)
	}
	if n := r.store.leased(); n != 0 {
		r.t.Errorf("%d leases are left in the store", n)
	}
}

var errAway = errors.Join(errors.New("no disk"), event.ErrUnavailable)
