package dispatch

import (
	"context"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Where events come in faster than this machine can deliver them, although their endpoint
// answers well, those that ask for room wait a moment: what is not yet accepted waits with
// whoever posts it, and not for seconds in the store. An endpoint that is slow, limited or
// gone holds nobody up: its events go to the store at once.
const (
	// patience is how long a request waits for room at most.
	patience = 200 * time.Millisecond
	// paceWindow is over what time a lane's pace is measured.
	paceWindow = 100 * time.Millisecond
	// maxWaiting is how many requests wait at once, over all lanes.
	maxWaiting = 4096
)

// waiter is a request that waits for room in a lane.
type waiter struct {
	size int
	room chan bool // gets one value: whether room is reserved
}

// pace is how many deliveries of a lane ended well, a second.
type pace struct {
	perSecond float64   // in the last whole window
	since     time.Time // when the present one began
	done      int
}

func (p *pace) count(now time.Time) {
	switch took := now.Sub(p.since); {
	case took > 4*paceWindow: // it has been idle
		p.since, p.done, p.perSecond = now, 0, 0
	case took >= paceWindow:
		p.perSecond = float64(p.done) / took.Seconds()
		p.since, p.done = now, 0
	}
	p.done++
}

// keepsPace reports that a lane delivers as much in a second as it can hold.
func (ls *lanes) keepsPace(l *lane, now time.Time) bool {
	return l.interval == 0 && now.Sub(l.pace.since) <= 4*paceWindow && l.pace.perSecond >= float64(ls.depth())
}

// await waits for room in a lane that has none, if that will come soon. The caller holds
// the lock, and has it again when this returns.
func (d *Dispatcher) await(ctx context.Context, l *lane, size int, now time.Time) bool {
	if d.waiting >= maxWaiting || !d.lanes.keepsPace(l, now) {
		return false
	}
	w := &waiter{size, make(chan bool, 1)}
	l.waiters = append(l.waiters, w)
	d.waiting++
	d.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	reserved, told := false, true
	select {
	case reserved = <-w.room:
	case <-timer.C:
		told = false
	case <-ctx.Done():
		told = false
	}
	d.mu.Lock()
	if told {
		return reserved
	}
	if i := slices.Index(l.waiters, w); i >= 0 {
		l.waiters = slices.Delete(l.waiters, i, i+1)
		d.waiting--
		return false
	}
	return <-w.room // it came at the same moment
}

// letIn gives the room that a lane has to those that wait for it, in turn. What was left in
// the store goes first. The caller holds the lock.
func (d *Dispatcher) letIn(l *lane) {
	n := 0
	for n < len(l.waiters) && (d.stopping || !l.more && d.lanes.reserve(l, l.waiters[n].size)) {
		l.waiters[n].room <- !d.stopping
		n++
	}
	if n > 0 {
		l.waiters = slices.Delete(l.waiters, 0, n)
		d.waiting -= n
	}
}

// Reserve makes room for a delivery that is about to be stored, if there is some or
// will be in a moment. It is followed by exactly one Deliver or Cancel.
func (d *Dispatcher) Reserve(ctx context.Context, sub event.Subscription, size int) (event.Lease, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping || sub.Sealed != "" {
		return event.Lease{}, false
	}
	l, now := d.lanes.of(sub), time.Now()
	inTurn := len(l.waiters) == 0 && (!l.more || !d.lanes.keepsPace(l, now))
	if !(inTurn && d.lanes.reserve(l, size)) {
		if !d.await(ctx, l, size, now) {
			return event.Lease{}, false
		}
		now = time.Now()
	}
	return event.Lease{Owner: d.o.Node, Until: now.Add(d.o.Lease)}, true
}
