package redis

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
)

var theSub = event.ID{0: 7, 15: 7}

// Each delivery arrives once, at one of two workers, exactly as it was stored. Both workers get some.
func TestHandOver(t *testing.T) {
	t.Parallel()
	const many = 600
	l := newLedger()
	s := newSender(t, up(t, shared.URL()), l)
	s.run(t)
	first, second := newWorker(l), newWorker(l)
	receive(t, up(t, shared.URL()), first)
	receive(t, up(t, shared.URL()), second)
	for i := range many {
		s.mustDeliver(t, event.ID{0: byte(i % 5)}, i%300)
	}
	l.wantKnown(t)
	s.wantIdle(t)
	s.wantEmpty(t)
	// At the start, or on a busy machine, some may be late. Then they are released.
	a := l.account()
	if a.twice != 0 || a.full != 0 || a.offered+a.given+a.released != many || a.offered < many/2 {
		t.Errorf("of %d deliveries: %+v", many, a)
	}
	if first.took.Load() == 0 || second.took.Load() == 0 {
		t.Errorf("one had %d, the other %d", first.took.Load(), second.took.Load())
	}
	if n := s.passedOn.Load(); n != int64(many-a.released) {
		t.Errorf("%d were counted as passed on, %d were", n, many-a.released)
	}
	for _, f := range l.fates {
		if f.offered > 0 {
			checkArrived(t, f)
		}
	}
}

func checkArrived(t *testing.T, f *fate) {
	t.Helper()
	want, got := f.claimed, f.got
	if off := got.Delivery.LeasedUntil.Sub(want.Delivery.LeasedUntil).Abs(); off > calm {
		t.Errorf("the lease's end is off by %v", off)
	}
	want.Delivery.LeasedUntil, got.Delivery.LeasedUntil = time.Time{}, time.Time{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// If Redis fails, a delivery is due again within a second.
func TestDueWithinASecond(t *testing.T) {
	hangs := patience
	unread := patience + unreadGrace + maxInTransit/maxBatch*inspectEvery // the last of a full stream
	if hangs >= time.Second || unread >= time.Second {
		t.Errorf("it takes %v if Redis hangs, and %v if no worker reads", hangs, unread)
	}
}

// A node does not pass on deliveries that it can't or need not pass on.
func TestReserveRefuses(t *testing.T) {
	t.Parallel()
	s := newSender(t, up(t, shared.URL()), newLedger())
	sub := event.Subscription{ID: theSub}
	for _, row := range []struct {
		why  string
		size int
		prep func()
		want bool
	}{
		{"there is capacity", 100, nil, true},
		{"an empty payload", 0, nil, true},
		{"the largest payload", maxEntry, nil, true},
		{"a payload that is too large", maxEntry + 1, nil, false},
		{"a worker has no capacity for the subscription", 1, func() { s.Full(theSub) }, false},
		{"the pause after that is over", 1, func() { s.full[theSub] = time.Now().Add(-fullPause) }, true},
		{"the node no longer remembers it", 1, func() { s.wantNotPaused(t) }, true},
		{"Redis has just refused an entry", 1, func() { s.refused = time.Now() }, false},
		{"the pause after the refusal is over", 1, func() { s.refused = time.Now().Add(-refusedPause) }, true},
		{"the stream is full", 1, func() { s.transit.backlog = maxInTransit }, false},
		{"the stream is empty", 1, func() { s.transit.backlog = 0 }, true},
		{"payloads take too much memory", 1, func() { s.transit.bytes = maxQueuedBytes }, false},
		{"Redis is down", 1, func() { s.transit.bytes = 0; s.up.Store(false) }, false},
	} {
		if row.prep != nil {
			row.prep()
		}
		count, bytes := s.transit.reserved, s.transit.bytes
		lease, ok := s.Reserve(context.Background(), sub, row.size)
		if ok != row.want {
			t.Errorf("%s: Reserve returned %v", row.why, ok)
		}
		if !ok && (lease != event.Lease{} || s.transit.reserved != count || s.transit.bytes != bytes) {
			t.Errorf("%s: a refused reservation leaves %+v, %d reserved, %d bytes", row.why, lease, s.transit.reserved-count, s.transit.bytes-bytes)
		}
		if ok {
			if off := time.Until(lease.Until) - leaseTime; lease.Owner != ownerName || off.Abs() > time.Second {
				t.Errorf("%s: the lease is %+v", row.why, lease)
			}
			s.Cancel(theSub, row.size)
		}
	}
}

// TryReserve refuses what Reserve refuses, but does not slow publishers down.
func TestTryReserve(t *testing.T) {
	t.Parallel()
	s := newSender(t, up(t, shared.URL()), newLedger())
	reports := 0
	s.o.Behind = func(event.ID, bool) { reports++ }
	sub := event.Subscription{ID: theSub}
	if lease, ok := s.TryReserve(sub, 100); !ok || lease.Owner != ownerName || s.transit.bytes != 100 {
		t.Errorf("there is capacity: %+v, %v, %d bytes", lease, ok, s.transit.bytes)
	}
	s.Cancel(theSub, 100)
	if _, ok := s.TryReserve(sub, maxEntry+1); ok {
		t.Error("one that is too large was accepted")
	}
	s.transit.backlog = maxInTransit
	s.transit.read.Add(time.Now().Add(-200*time.Millisecond), 100_000)
	s.transit.read.Add(time.Now(), 1) // so the workers are busy
	if _, ok := s.TryReserve(sub, 1); ok || reports > 0 {
		t.Errorf("the stream is full: %v, with %d reports", ok, reports)
	}
	if _, ok := s.Reserve(context.Background(), sub, 1); ok || reports == 0 {
		t.Errorf("the stream is full, and Reserve says %v with %d reports", ok, reports)
	}
}

func (s *sender) wantNotPaused(t *testing.T) {
	t.Helper()
	if len(s.full) != 0 {
		t.Errorf("%d subscriptions still go through the database", len(s.full))
	}
}

// The memory for subscriptions without capacity is bounded.
func TestFullIsBounded(t *testing.T) {
	t.Parallel()
	s := newSender(t, up(t, shared.URL()), newLedger())
	for i := range 3 * maxInTransit {
		s.Full(event.ID{byte(i), byte(i >> 8)})
	}
	if len(s.full) > maxInTransit {
		t.Errorf("%d are remembered", len(s.full))
	}
}

// No subscription gets a reservation beyond the limit, and Deliver never blocks, even if nothing is
// passed on.
func TestDeliverNeverBlocks(t *testing.T) {
	t.Parallel()
	s := newSender(t, up(t, shared.URL()), newLedger())
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			for range 100 {
				s.deliver(event.ID{byte(i)}, 1)
			}
		})
	}
	group.Wait()
	a := s.ledger.account()
	if a.sent != maxInTransit || len(s.queue) != a.sent || s.transit.reserved != a.sent {
		t.Errorf("%d were reserved, %d wait, %d are counted", a.sent, len(s.queue), s.transit.reserved)
	}
	for range a.sent {
		c := <-s.queue
		s.Cancel(c.Delivery.SubscriptionID, 1)
	}
	if s.transit.reserved != 0 || s.transit.bytes != 0 || len(s.transit.bySubscription) != 0 {
		t.Errorf("%d deliveries with %d bytes are still reserved, of %d subscriptions", s.transit.reserved, s.transit.bytes, len(s.transit.bySubscription))
	}
}

func TestReservedBytesAreBounded(t *testing.T) {
	t.Parallel()
	s := newSender(t, up(t, shared.URL()), newLedger())
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			for range 10 {
				s.Reserve(context.Background(), event.Subscription{ID: event.ID{byte(i)}}, maxEntry)
			}
		})
	}
	group.Wait()
	if b := s.transit.bytes; b > maxQueuedBytes || b < maxQueuedBytes-maxEntry {
		t.Errorf("%d bytes are reserved, the limit is %d", b, maxQueuedBytes)
	}
}

// If no worker reads, the stream fills up to its limit. Once a worker reads, more is passed on.
func TestStreamFullAndEmptyAgain(t *testing.T) {
	t.Parallel()
	l := newLedger()
	s := newSender(t, up(t, shared.URL()), l)
	s.run(t)
	await.NoError(t, func() error {
		for i := range maxInTransit {
			s.deliver(event.ID{byte(i)}, 100)
		}
		if n := s.inStream(); n < maxInTransit {
			return fmt.Errorf("the stream has %d", n)
		}
		return nil
	})
	s.wantIdle(t)
	if n := s.length(t); n > maxInTransit || n < maxInTransit-maxBatch {
		t.Errorf("the stream has %d entries, want about %d", n, maxInTransit)
	}
	if s.deliver(event.ID{1}, 100) {
		t.Error("one more was reserved")
	}
	receive(t, up(t, shared.URL()), newWorker(l))
	s.wantEmpty(t)
	s.mustDeliver(t, theSub, 100)
	l.wantKnown(t)
	if n := s.inStream(); n >= maxInTransit/2 {
		t.Errorf("the node counts %d entries in the stream", n)
	}
}

// A worker without capacity for a subscription tells the other nodes. They do not pass on its
// deliveries for a moment, but still pass on those of other subscriptions.
func TestFullNoticePauses(t *testing.T) {
	t.Parallel()
	l := newLedger()
	n := up(t, shared.URL())
	s := newSender(t, n, l)
	s.run(t)
	h := &heard{}
	background(t, func(ctx context.Context) error { return n.Listen(ctx, h.onChange, s.Full) })
	h.wantZero(t)
	w := newWorker(l)
	w.full.Store(true)
	far := up(t, shared.URL())
	receive(t, far, w)
	await.NoError(t, func() error {
		if s.deliver(theSub, 10) {
			return errNotYet
		}
		return nil
	})
	if !s.deliver(event.ID{9}, 10) {
		t.Error("another subscription goes through the database, too")
	}
	l.wantKnown(t)
	if a := l.account(); a.full == 0 || far.returned.Load() < int64(a.full) {
		t.Errorf("%+v, and counted were %d", a, far.returned.Load())
	}
	w.full.Store(false)
	s.mustDeliver(t, theSub, 10)
	l.wantKnown(t)
}

// A node that stops first passes on what is queued.
func TestHandoffPassesOnAtTheEnd(t *testing.T) {
	t.Parallel()
	l := newLedger()
	s := newSender(t, up(t, shared.URL()), l)
	const many = 3*maxBatch + 1
	for i := range many {
		if !s.deliver(event.ID{byte(i)}, 10) {
			t.Fatal("refused")
		}
	}
	s.run(t)() // stopped before it has begun
	s.wantIdle(t)
	if n := s.length(t); n != many {
		t.Errorf("%d of %d are in the stream", n, many)
	}
}

// A worker that stops handles the entries that Redis sends at that moment, and all entries that it
// has read.
func TestReceiverDeletesAtTheEnd(t *testing.T) {
	t.Parallel()
	l := newLedger()
	s := newSender(t, up(t, shared.URL()), l)
	s.run(t)
	w := newWorker(l)
	end := receive(t, up(t, shared.URL()), w)
	for range 100 {
		s.mustDeliver(t, theSub, 10)
	}
	await.NoError(t, func() error {
		if w.took.Load() == 0 {
			return errNotYet
		}
		return nil
	})
	end()
	s.wantIdle(t)
	a := l.account()
	if n := s.length(t); n != a.lost {
		t.Errorf("%d entries are in the stream, and %d were neither offered nor released: %+v", n, a.lost, a)
	}
}

// A worker without capacity reads nothing, so that others may read it.
func TestNoCapacityReadsNothing(t *testing.T) {
	t.Parallel()
	l := newLedger()
	s := newSender(t, up(t, shared.URL()), l)
	s.run(t)
	busy, idle := newWorker(l), newWorker(l)
	busy.capacity.Store(0)
	receive(t, up(t, shared.URL()), busy)
	receive(t, up(t, shared.URL()), idle)
	for range 100 {
		s.mustDeliver(t, theSub, 10)
	}
	l.wantKnown(t)
	if busy.took.Load() != 0 || idle.took.Load() == 0 {
		t.Errorf("the worker without capacity got %d, the other %d", busy.took.Load(), idle.took.Load())
	}
	busy.capacity.Store(1)
	await.NoError(t, func() error {
		s.deliver(theSub, 10)
		if busy.took.Load() == 0 {
			return errNotYet
		}
		return nil
	})
}

// If one subscription has more deliveries than the workers read, there is a hint for its publishers,
// and another when that is over. The deliveries of other subscriptions are passed on. No delivery is
// refused for another reason, and none is returned.
func TestBehindSlowsOneSubscription(t *testing.T) {
	t.Parallel()
	l := newLedger()
	s := newSender(t, up(t, shared.URL()), l)
	s.run(t)
	w := newWorker(l)
	w.pace = 400 * time.Microsecond // at most 2,500 a second
	receive(t, up(t, shared.URL()), w)
	busy, quiet := event.ID{1}, event.ID{2}
	end := s.storm(t, busy)
	await.NoError(t, func() error {
		if !s.behind.of(busy) {
			return errNotYet
		}
		return nil
	})
	s.mustDeliver(t, quiet, 10)
	if s.behind.of(quiet) {
		t.Error("the publishers of another subscription are slowed down")
	}
	end()
	await.NoError(t, func() error {
		if s.behind.of(busy) {
			return errNotYet
		}
		return nil
	})
	l.wantKnown(t)
	if n := s.length(t); n != 0 {
		t.Errorf("%d are in the stream", n)
	}
}

// If no worker reads, no publisher is slowed down: deliveries go through the database.
func TestMissingWorkersSlowNoPublishers(t *testing.T) {
	t.Parallel()
	s := newSender(t, up(t, shared.URL()), newLedger())
	s.run(t)
	for s.deliver(theSub, 10) {
	}
	s.wantIdle(t)
	if s.deliver(theSub, 10); s.behind.said > 0 {
		t.Error("there was a hint that the workers are behind")
	}
}

// A worker that reads nothing because endpoints use all its slots must slow no publisher down,
// because publishers would wait for endpoints.
func TestSlowEndpointsSlowNoPublishers(t *testing.T) {
	t.Parallel()
	l := newLedger()
	n := up(t, shared.URL())
	s := newSender(t, n, l)
	s.run(t)
	h := &heard{}
	background(t, func(ctx context.Context) error { return n.Listen(ctx, h.onChange, s.Full) })
	h.wantZero(t)
	w := newWorker(l)
	w.pace = 400 * time.Microsecond
	far := up(t, shared.URL())
	receive(t, far, w)
	end := s.storm(t, theSub)
	await.NoError(t, func() error {
		if !s.behind.of(theSub) {
			return errNotYet
		}
		return nil
	})
	w.slotsTaken.Store(true)
	w.capacity.Store(0)
	await.NoError(t, func() error {
		if s.behind.of(theSub) {
			return errNotYet
		}
		return nil
	})
	end()
	s.Handoff.mu.Lock()
	s.full[anyID] = time.Now()
	s.refused = time.Time{}
	s.reportBehind(theSub, time.Now())
	s.Handoff.mu.Unlock()
	if s.behind.of(theSub) {
		t.Error("publishers are slowed down")
	}
}
