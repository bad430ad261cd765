package dispatch

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// If events are published faster than this machine can deliver them to an endpoint that
// keeps up, requests wait a moment for capacity. So an event waits a moment at its publisher,
// before it is accepted, and not for seconds in the store. An endpoint that is slow, has a rate
// limit or does not respond delays no request: its events go to the store at once. API nodes
// can't see whether a worker keeps up, so the workers tell them.
const (
	// maxReserveWait is the longest time that a request waits for capacity.
	maxReserveWait = 200 * time.Millisecond
	// behindEvery is the time between two hints to other nodes that this one is still behind.
	behindEvery = 50 * time.Millisecond
	// maxWaiters is how many requests may wait at once, over all lanes.
	maxWaiters = 4096
)

// waiter is a request that waits for capacity of a lane.
type waiter struct {
	size    int
	granted chan bool // receives one value: whether capacity is reserved
}

// keepsUp reports whether a lane delivers at least as many deliveries in a second as it can queue.
func (ls *lanes) keepsUp(l *lane, now time.Time) bool {
	return l.interval == 0 && l.throughput.PerSecond(now) >= float64(ls.depth())
}

// leftBehind returns the lanes of which a claim has left due deliveries in the store. A claim takes
// turns, so if it ended because of its limits, those are the lanes that got the most.
func (ls *lanes) leftBehind(r event.ClaimRequest, claim event.Claim, isFull bool) map[*lane]bool {
	if !claim.More {
		return nil
	}
	got, most := make(map[event.ID]int), 1
	for id := range r.CapacityOf {
		got[id] = 0
	}
	for i := range claim.Deliveries {
		id := claim.Deliveries[i].Delivery.SubscriptionID
		got[id]++
		most = max(most, got[id])
	}
	left := make(map[*lane]bool)
	for id, n := range got {
		if l := ls.byID[id]; l != nil && (n >= r.CapacityFor(id) || isFull && n >= most-1) {
			left[l] = true
		}
	}
	return left
}

// tellBehind tells other nodes with which lanes this node is behind, and with which it no longer
// is. The caller holds the lock.
func (d *Dispatcher) tellBehind(left map[*lane]bool, now time.Time) {
	if d.o.Behind == nil {
		return
	}
	for _, l := range d.lanes.behind {
		d.hintBehind(l, left[l] && d.lanes.keepsUp(l, now), now)
	}
	d.lanes.behind = slices.DeleteFunc(d.lanes.behind, func(l *lane) bool { return !l.isBehind })
	for _, l := range slices.SortedFunc(maps.Keys(left), bySubscription) {
		if !l.isBehind && d.lanes.keepsUp(l, now) {
			d.lanes.behind = append(d.lanes.behind, l)
			d.hintBehind(l, true, now)
		}
	}
}

// hintBehind tells other nodes whether this node is behind with a lane, unless they already know.
func (d *Dispatcher) hintBehind(l *lane, is bool, now time.Time) {
	if is == l.isBehind && (!is || now.Sub(l.behindHintAt) < behindEvery) {
		return
	}
	l.isBehind, l.behindHintAt = is, now
	d.o.Behind(l.subscription, is)
}

// markBusy marks a lane as busy if a quarter of its depth is queued.
func (ls *lanes) markBusy(l *lane) {
	if !l.isBusy && l.queued() >= ls.depth()/4 {
		l.isBusy = true
		ls.busy = append(ls.busy, l)
	}
}

// isBusy reports whether a lane that keeps up has a quarter of its depth queued. Then this machine
// is the bottleneck, and deliveries that other nodes pass on should wait until a worker has less
// to do. A lane that claims fill from a backlog does not count, because its backlog may last for
// long, and other deliveries must not wait for it.
func (ls *lanes) isBusy(now time.Time) bool {
	for _, l := range ls.busy {
		l.isBusy = l.queued() >= ls.depth()/4 && !l.isBehind && ls.keepsUp(l, now)
	}
	ls.busy = slices.DeleteFunc(ls.busy, func(l *lane) bool { return !l.isBusy })
	return len(ls.busy) > 0
}

// awaitCapacity waits for capacity of a full lane, if the lane keeps up, and reports whether it
// has reserved some. The caller holds the lock, which awaitCapacity releases during the wait.
func (d *Dispatcher) awaitCapacity(ctx context.Context, l *lane, size int, now time.Time) bool {
	if d.waiters >= maxWaiters || !d.lanes.keepsUp(l, now) {
		return false
	}
	w := &waiter{size, make(chan bool, 1)}
	l.waiters = append(l.waiters, w)
	d.waiters++
	d.mu.Unlock()
	timer := time.NewTimer(maxReserveWait)
	defer timer.Stop()
	reserved, decided := false, true
	select {
	case reserved = <-w.granted:
	case <-timer.C:
		decided = false
	case <-ctx.Done():
		decided = false
	}
	d.mu.Lock()
	if decided {
		return reserved
	}
	if i := slices.Index(l.waiters, w); i >= 0 {
		l.waiters = slices.Delete(l.waiters, i, i+1)
		d.waiters--
		return false
	}
	return <-w.granted // serveWaiters has decided in the meantime
}

// serveWaiters reserves a lane's capacity for the requests that wait for it, in order. If
// deliveries of the lane were left in the store, those go first. If the dispatcher is stopping,
// it refuses the requests. The caller holds the lock.
func (d *Dispatcher) serveWaiters(l *lane) {
	n := 0
	for n < len(l.waiters) && (d.stopping || !l.overflowed && d.lanes.reserve(l, l.waiters[n].size)) {
		l.waiters[n].granted <- !d.stopping
		n++
	}
	if n > 0 {
		l.waiters = slices.Delete(l.waiters, 0, n)
		d.waiters -= n
	}
}

// Reserve reserves capacity for a delivery that is about to be stored. It may wait a moment for
// capacity. If it succeeds, it returns the lease to store the delivery with, and the caller calls
// Deliver or Cancel exactly once.
func (d *Dispatcher) Reserve(ctx context.Context, sub event.Subscription, size int) (event.Lease, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	l := d.openLane(&sub, now)
	if l == nil {
		return event.Lease{}, false
	}
	if !d.reserveInTurn(l, size, now) {
		if !d.awaitCapacity(ctx, l, size, now) {
			return event.Lease{}, false
		}
		now = time.Now()
	}
	return event.Lease{Owner: d.o.Node, Until: now.Add(d.o.Lease)}, true
}

// TryReserve is like Reserve but never waits: it is for an event with several deliveries, which
// must not wait for the slowest of their lanes.
func (d *Dispatcher) TryReserve(sub event.Subscription, size int) (event.Lease, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	l := d.openLane(&sub, now)
	if l == nil || !d.reserveInTurn(l, size, now) {
		return event.Lease{}, false
	}
	return event.Lease{Owner: d.o.Node, Until: now.Add(d.o.Lease)}, true
}

// openLane returns the lane of a subscription whose deliveries may be kept in memory, or nil. The
// caller holds the lock.
func (d *Dispatcher) openLane(sub *event.Subscription, now time.Time) *lane {
	if d.stopping || sub.Sealed != "" {
		return nil
	}
	l := d.lanes.laneOf(*sub)
	if d.isClosed(l, now) {
		return nil
	}
	return l
}

// reserveInTurn reserves capacity for one delivery, unless requests or deliveries in the store
// wait for the lane's capacity. The caller holds the lock.
func (d *Dispatcher) reserveInTurn(l *lane, size int, now time.Time) bool {
	inTurn := len(l.waiters) == 0 && (!l.overflowed || !d.lanes.keepsUp(l, now))
	return inTurn && d.lanes.reserve(l, size)
}
