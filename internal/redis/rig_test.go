package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
)

const (
	ownerName = "api-1"
	leaseTime = 12 * time.Second
)

// fate records what has happened to a delivery.
type fate struct {
	claimed  event.Claimed // as it was stored
	got      event.Claimed // as it was offered
	offered  int           // and accepted
	full     int           // offered and not accepted
	given    int           // released by a worker
	released int           // released by the node that stored it
}

func (f *fate) known() bool { return f.offered+f.full+f.given+f.released > 0 }

// ledger keeps the fates of all deliveries that were passed on, as the database would.
type ledger struct {
	mu    sync.Mutex
	fates map[event.ID]*fate
	// fault is the error of Release.
	fault error
	// strange are the deliveries that arrived but were never passed on.
	strange []event.ID
}

func newLedger() *ledger { return &ledger{fates: map[event.ID]*fate{}} }

func (l *ledger) note(id event.ID, what func(f *fate)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.fates[id]
	if f == nil {
		l.strange = append(l.strange, id)
		return
	}
	what(f)
}

func (l *ledger) release(_ context.Context, leases []event.LeaseKey) error {
	for _, lease := range leases {
		if lease.Owner != ownerName {
			return fmt.Errorf("release of a lease of %q", lease.Owner)
		}
		l.note(lease.Delivery, func(f *fate) { f.released++ })
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault
}

// account counts the deliveries by what has happened to them.
type account struct {
	sent, offered, full, given, released int
	lost                                 int // nothing happened: the lease runs out
	twice                                int // offered to two
	both                                 int // offered, and made due again by the node that passed it on
}

func (l *ledger) account() (a account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.sent = len(l.fates)
	for _, f := range l.fates {
		a.offered += min(f.offered, 1)
		a.full += min(f.full, 1)
		a.given += min(f.given, 1)
		a.released += min(f.released, 1)
		if !f.known() {
			a.lost++
		}
		if f.offered > 1 {
			a.twice++
		}
		if f.offered > 0 && f.released > 0 {
			a.both++
		}
	}
	return a
}

// wantKnown waits until something has happened to every delivery that was passed on.
func (l *ledger) wantKnown(t *testing.T) {
	t.Helper()
	await.NoError(t, func() error {
		if a := l.account(); a.lost > 0 {
			return fmt.Errorf("%d deliveries were neither offered nor released: %+v", a.lost, a)
		}
		return nil
	})
	if len(l.strange) > 0 {
		t.Errorf("these deliveries arrived, but were never passed on: %v", l.strange)
	}
}

// sender is an API node.
type sender struct {
	*node
	*Handoff
	ledger *ledger
	behind behindHints
}

func newSender(t *testing.T, n *node, l *ledger) *sender {
	t.Helper()
	s := &sender{node: n, ledger: l}
	s.Handoff = NewHandoff(n.Client, HandoffOptions{Owner: ownerName, Lease: leaseTime, Release: l.release, Behind: s.behind.hear})
	return s
}

// inStream returns the length of the stream when the sender last read it.
func (s *sender) inStream() int {
	s.Handoff.mu.Lock()
	defer s.Handoff.mu.Unlock()
	return s.transit.backlog
}

// behindHints are a sender's hints that the workers are behind.
type behindHints struct {
	mu   sync.Mutex
	is   map[event.ID]bool
	said int
}

func (b *behindHints) hear(subscription event.ID, is bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.is == nil {
		b.is = map[event.ID]bool{}
	}
	b.is[subscription] = is
	b.said++
}

func (b *behindHints) of(subscription event.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.is[subscription]
}

// run passes deliveries on until the test ends or the returned function is called.
func (s *sender) run(t *testing.T) (end func()) {
	t.Helper()
	return background(t, s.Handoff.Run)
}

// deliver does what ingest does, with a database that never fails.
func (s *sender) deliver(sub event.ID, size int) bool {
	c := claim(sub, size)
	lease, ok := s.Reserve(context.Background(), event.Subscription{ID: sub}, size)
	if !ok {
		return false
	}
	c.Delivery.LeaseOwner, c.Delivery.LeasedUntil = lease.Owner, lease.Until
	s.ledger.mu.Lock()
	s.ledger.fates[c.Delivery.ID] = &fate{claimed: c}
	s.ledger.mu.Unlock()
	s.Deliver(c)
	return true
}

// mustDeliver waits for capacity.
func (s *sender) mustDeliver(t *testing.T, sub event.ID, size int) {
	t.Helper()
	await.NoError(t, func() error {
		if !s.deliver(sub, size) {
			return fmt.Errorf("there is no capacity; the stream has %d entries, Redis's failure is %v", s.inStream(), s.Failure())
		}
		return nil
	})
}

// wantIdle waits until no reservation is left.
func (s *sender) wantIdle(t *testing.T) {
	t.Helper()
	await.NoError(t, func() error {
		s.Handoff.mu.Lock()
		n, b := s.transit.reserved, s.transit.bytes
		s.Handoff.mu.Unlock()
		if n != 0 || b != 0 || len(s.queue) != 0 {
			return fmt.Errorf("%d deliveries with %d bytes are still reserved, %d are queued", n, b, len(s.queue))
		}
		return nil
	})
}

func claim(sub event.ID, size int) event.Claimed {
	now := time.Now().UTC().Truncate(time.Microsecond)
	e := event.Event{ID: event.NewID(now), Type: "order.paid", ContentType: "application/json", Payload: make([]byte, size), CreatedAt: now}
	_, _ = rand.Read(e.Payload)
	d := event.Delivery{ID: event.NewID(now), EventID: e.ID, SubscriptionID: sub, DueAt: now, CreatedAt: now, LeaseOwner: ownerName, LeasedUntil: now.Add(leaseTime)}
	return event.Claimed{Delivery: d, Event: e}
}

// worker is a node's dispatcher that records what it is offered.
type worker struct {
	ledger     *ledger
	capacity   atomic.Int64
	full       atomic.Bool // no lane has capacity
	took       atomic.Int64
	slotsTaken atomic.Bool   // that is why it has no capacity
	hold       chan struct{} // if not nil, Offer waits until it is closed
	pace       time.Duration // how long each Offer takes
}

func newWorker(l *ledger) *worker {
	w := &worker{ledger: l}
	w.capacity.Store(64)
	return w
}

func (w *worker) Capacity() int { return int(w.capacity.Load()) }

func (w *worker) SlotsTaken() bool { return w.slotsTaken.Load() }

func (w *worker) Offer(_ context.Context, c event.Claimed) bool {
	if w.hold != nil {
		<-w.hold
	}
	time.Sleep(w.pace)
	if w.full.Load() {
		w.ledger.note(c.Delivery.ID, func(f *fate) { f.full++ })
		return false
	}
	w.took.Add(1)
	w.ledger.note(c.Delivery.ID, func(f *fate) { f.offered++; f.got = c })
	return true
}

func (w *worker) Release(c event.Claimed) {
	w.ledger.note(c.Delivery.ID, func(f *fate) { f.given++ })
}

// receive runs a Receiver for a worker.
func receive(t *testing.T, n *node, w *worker) (end func()) {
	t.Helper()
	return background(t, NewReceiver(n.Client, w).Run)
}

// storm passes on thousands of deliveries a second until the returned function is called.
func (s *sender) storm(t *testing.T, sub event.ID) (end func()) {
	t.Helper()
	return background(t, func(ctx context.Context) error {
		for ctx.Err() == nil {
			for range 8 {
				s.deliver(sub, 200)
			}
			pause(ctx, time.Millisecond)
		}
		return nil
	})
}
