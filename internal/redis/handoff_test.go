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

// Deliveries arrive as they were stored, once, at one of two workers, and both get some.
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

// Whatever happens to Redis, a delivery is due again within a second.
func TestDueWithinASecond(t *testing.T) {
	hangs := patience
	unread := patience + unreadGrace + maxInTransit/maxBatch*inspectEvery // the last of a full stream
	if hangs >= time.Second || unread >= time.Second {
		t.Errorf("when Redis hangs it takes %v, when no worker reads %v", hangs, unread)
	}
}

// Deliveries that a node can't or need not pass on are not passed on.
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
		{"an empty event is one, too", 0, nil, true},
		{"it is as large as may be", maxEntry, nil, true},
		{"it is too large: the database carries it", maxEntry + 1, nil, false},
		{"a worker has no capacity for the subscription", 1, func() { s.Full(theSub) }, false},
		{"that is over", 1, func() { s.full[theSub] = time.Now().Add(-fullPause) }, true},
		{"and was forgotten", 1, func() { s.wantNotPaused(t) }, true},
		{"Redis has just refused one", 1, func() { s.refused = time.Now() }, false},
		{"that is over, too", 1, func() { s.refused = time.Now().Add(-refusedPause) }, true},
		{"the stream is full", 1, func() { s.transit.backlog = maxInTransit }, false},
		{"it has emptied", 1, func() { s.transit.backlog = 0 }, true},
		{"payloads take too much memory", 1, func() { s.transit.bytes = maxQueuedBytes }, false},
		{"Redis is down", 1, func() { s.transit.bytes = 0; s.up.Store(false) }, false},
	} {
		if row.prep != nil {
			row.prep()
		}
		count, bytes := s.transit.reserved, s.transit.bytes
		lease, ok := s.Reserve(context.Background(), sub, row.size)
		if ok != row.want {
			t.Errorf("%s: Reserve said %v", row.why, ok)
		}
		if !ok && (lease != event.Lease{} || s.transit.reserved != count || s.transit.bytes != bytes) {
			t.Errorf("%s: it was refused, and left %+v, %d reserved, %d bytes", row.why, lease, s.transit.reserved-count, s.transit.bytes-bytes)
		}
		if ok {
			if off := time.Until(lease.Until) - leaseTime; lease.Owner != ownerName || off.Abs() > time.Second {
				t.Errorf("%s: the lease is %+v", row.why, lease)
			}
			s.Cancel(theSub, row.size)
		}
	}
}

func (s *sender) wantNotPaused(t *testing.T) {
	t.Helper()
	if len(s.full) != 0 {
		t.Errorf("%d subscriptions are held back still", len(s.full))
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

// Reservations end at the limit, whichever subscription asks, and Deliver never blocks although
// nothing is passed on.
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
		t.Errorf("%d and %d bytes are left reserved, of %d subscriptions", s.transit.reserved, s.transit.bytes, len(s.transit.bySubscription))
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

// If no worker reads, the stream fills up to its limit. Once a worker has read, more is passed on.
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
		t.Error("one more was let through")
	}
	receive(t, up(t, shared.URL()), newWorker(l))
	s.wantEmpty(t)
	s.mustDeliver(t, theSub, 100)
	l.wantKnown(t)
	if n := s.inStream(); n >= maxInTransit/2 {
		t.Errorf("the stream counts as %d long", n)
	}
}

// A worker without capacity for a subscription says so. Then its deliveries are not passed on for
// a moment, but those of others are.
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
		t.Error("another subscription is held back, too")
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
	s.run(t)() // it is to stop before it has begun
	s.wantIdle(t)
	if n := s.length(t); n != many {
		t.Errorf("%d of %d are in the stream", n, many)
	}
}

// A worker that stops handles the entries that Redis sends at that moment, and leaves no entry
// behind that it has read.
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
		t.Errorf("%d entries are in the stream, nothing became of %d: %+v", n, a.lost, a)
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
		t.Errorf("the one without capacity took %d, the other %d", busy.took.Load(), idle.took.Load())
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

// If one subscription has more than the workers read, its publishers are told so, and told again
// when that is over. What others publish is passed on. No delivery is refused for another reason,
// and none comes back.
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
func TestNobodyIsSlowedForWorkersThatAreGone(t *testing.T) {
	t.Parallel()
	s := newSender(t, up(t, shared.URL()), newLedger())
	s.run(t)
	for s.deliver(theSub, 10) {
	}
	s.wantIdle(t)
	if s.deliver(theSub, 10); s.behind.said > 0 {
		t.Error("its publishers were told that the workers are behind")
	}
}

// A worker that reads nothing because endpoints use all its slots must slow no publisher down,
// because publishers would wait for endpoints.
func TestNobodyIsSlowedForSlowEndpoints(t *testing.T) {
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
