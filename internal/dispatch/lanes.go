package dispatch

import (
	"container/heap"
	"maps"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Limits limit what one node has in memory and in flight.
type Limits struct {
	InFlight      int // requests in flight in all
	LaneInFlight  int // requests in flight to one endpoint, unless its subscription sets another limit
	LaneDepth     int // deliveries queued in one lane
	Buffered      int // deliveries in memory, queued and in flight
	BufferedBytes int // size of their payloads together
}

// initialInFlight is how many requests a new lane may have in flight. Each success adds
// one, up to the limit. Each sign that the endpoint is overloaded halves the number, down
// to minInFlight. So an endpoint that hangs uses two slots, not sixty-four.
const (
	initialInFlight = 8
	minInFlight     = 2
)

// lane is the deliveries of one subscription that are in memory.
type lane struct {
	subscription  event.ID
	queue         []*work // oldest first
	head          int     // queue[:head] was removed
	reserved      int     // reserved for ingest, not queued yet
	inFlight      int
	allowed       int           // how many may be in flight now, unless the endpoint is failing; see limit
	maxAllowed    int           // the limit of allowed
	interval      time.Duration // the shortest time between two starts; 0 without a rate limit
	lastStart     time.Time
	overflowed    bool             // deliveries were left in the store because the lane was full
	isScheduled   bool             // it is in lanes.ready, lanes.deferred, lanes.failing or lanes.throttled
	health        event.Health     // the latest known state; see health.go
	failures      int              // how many attempts failed since the last success
	refusalLogged time.Time        // see logHealth
	isPaused      bool             // the subscription was paused when it was last read
	isBusy        bool             // it is in lanes.busy
	isBehind      bool             // the last hint to other nodes was that this node is behind
	behindHintAt  time.Time        // when that hint was sent
	throughput    event.Throughput // of successes
	waiters       []*waiter        // requests that wait for capacity, in order
	idleSince     time.Time
}

func (l *lane) queued() int { return len(l.queue) - l.head }

// earliestStart returns when the rate limit and the endpoint's NotBefore permit the next delivery
// to start.
func (l *lane) earliestStart() time.Time {
	if at := l.lastStart.Add(l.interval); at.After(l.health.NotBefore) {
		return at
	}
	return l.health.NotBefore
}

// limit returns how many requests may be in flight now.
func (l *lane) limit() int {
	if l.health.Failing {
		return 1
	}
	return l.allowed
}

// lanes decides which delivery starts next. It is pure: no goroutine, no lock, no clock.
//
// A lane is ready if its queue is not empty and it may have one more request in flight.
// Ready lanes take turns, one delivery each.
type lanes struct {
	limits          Limits
	byID            map[event.ID]*lane
	ready           []*lane // in order of their turns
	readyHead       int
	deferred        []*lane   // lanes that wait because the last slots are reserved for others, in order
	failing         []*lane   // failing lanes that wait because others use all slots that failing lanes may use, in order
	throttled       throttled // lanes that wait for a rate limit or a held-back endpoint, by earliest start
	busy            []*lane   // lanes that had many deliveries queued; see pressure.go
	behind          []*lane   // lanes with which this node is behind; see pressure.go
	inFlight        int
	inFlightFailing int // how many of these were started while their lane was failing
	buffered        int // queued, reserved and in flight, in all lanes
	bytes           int
	overflowed      bool // deliveries were left in the store because the node was full
}

func newLanes(limits Limits) *lanes {
	return &lanes{limits: limits, byID: map[event.ID]*lane{}}
}

// laneOf returns a subscription's lane, and updates it from the subscription.
func (ls *lanes) laneOf(sub event.Subscription) *lane {
	l := ls.byID[sub.ID]
	if l == nil {
		l = &lane{subscription: sub.ID, allowed: initialInFlight}
		ls.byID[sub.ID] = l
	}
	l.maxAllowed = ls.limits.LaneInFlight
	if sub.MaxInFlight > 0 {
		l.maxAllowed = sub.MaxInFlight
	}
	l.allowed = min(l.allowed, l.maxAllowed)
	l.isPaused = sub.Paused()
	ls.learnHealth(l, &sub.Health)
	if interval := intervalOf(sub.RatePerSecond); interval != l.interval {
		l.interval = interval
		heap.Init(&ls.throttled) // the lane may be in it
	}
	return l
}

// intervalOf returns the time between two starts at a rate; 0 means no limit.
func intervalOf(perSecond float64) time.Duration {
	if perSecond <= 0 {
		return 0
	}
	return time.Duration(min(float64(time.Second)/perSecond, float64(24*time.Hour)))
}

// isNearlyFull reports whether only the last quarter of the node's memory is left. This quarter
// is reserved for lanes with few deliveries. So they have capacity even if many endpoints hang
// while events for those arrive.
func (ls *lanes) isNearlyFull() bool {
	return ls.buffered >= ls.limits.Buffered*3/4 || ls.bytes >= ls.limits.BufferedBytes*3/4
}

// depth returns how many deliveries may be queued in a lane now.
func (ls *lanes) depth() int {
	if ls.isNearlyFull() {
		return min(initialInFlight, ls.limits.LaneDepth)
	}
	return ls.limits.LaneDepth
}

// used returns how many deliveries of a lane count towards its depth.
func (ls *lanes) used(l *lane) int {
	if ls.isNearlyFull() {
		return l.queued() + l.reserved + l.inFlight
	}
	return l.queued() + l.reserved
}

// reserve reserves capacity for one delivery that is about to be stored. It returns false if
// there is none. Half of a lane and an eighth of the node are reserved for deliveries that are
// already in the store, so that new events never keep old ones out.
func (ls *lanes) reserve(l *lane, size int) bool {
	if ls.used(l) >= ls.depth()/2 || ls.isFull(size) {
		return false
	}
	l.reserved++
	ls.buffered++
	ls.bytes += size
	return true
}

func (ls *lanes) isFull(size int) bool {
	return ls.buffered >= ls.limits.Buffered*7/8 || ls.bytes+size > ls.limits.BufferedBytes*7/8 && ls.buffered > 0
}

// cancel ends a reservation.
func (ls *lanes) cancel(l *lane, size int) {
	l.reserved--
	ls.buffered--
	ls.bytes -= size
}

// push queues a delivery that was claimed or for which capacity was reserved.
func (ls *lanes) push(l *lane, w *work, reserved bool, now time.Time) {
	if reserved {
		l.reserved--
	} else {
		ls.buffered++
		ls.bytes += len(w.claimed.Event.Payload)
	}
	w.lane = l
	l.queue = append(l.queue, w)
	ls.markBusy(l)
	ls.schedule(l, now)
}

// schedule adds a lane to the ready or the throttled lanes if it may start a delivery now or
// later.
func (ls *lanes) schedule(l *lane, now time.Time) {
	if l.isScheduled || l.queued() == 0 || l.inFlight >= l.limit() {
		return
	}
	l.isScheduled = true
	if l.earliestStart().After(now) {
		heap.Push(&ls.throttled, l)
		return
	}
	ls.ready = append(ls.ready, l)
}

// slotsAreScarce reports whether only the last quarter of the slots is left. This quarter is
// reserved for lanes with fewer than minInFlight requests in flight, so that these lanes continue
// when many endpoints begin to hang at once.
func (ls *lanes) slotsAreScarce() bool { return ls.inFlight >= ls.limits.InFlight*3/4 }

// next starts the delivery whose turn it is and returns it, or nil if none may start now.
func (ls *lanes) next(now time.Time) *work {
	for len(ls.throttled) > 0 && !ls.throttled[0].earliestStart().After(now) {
		ls.ready = append(ls.ready, heap.Pop(&ls.throttled).(*lane))
	}
	for !ls.slotsAreScarce() && len(ls.deferred) > 0 {
		l := ls.deferred[0]
		ls.deferred = slices.Delete(ls.deferred, 0, 1)
		if w := ls.startFrom(l, now); w != nil {
			return w
		}
	}
	for len(ls.failing) > 0 && ls.mayStartFailing() {
		l := ls.failing[0]
		ls.failing = slices.Delete(ls.failing, 0, 1)
		if w := ls.startFrom(l, now); w != nil {
			return w
		}
	}
	for ls.readyHead < len(ls.ready) {
		l := ls.ready[ls.readyHead]
		ls.ready[ls.readyHead] = nil
		ls.readyHead++
		ls.ready, ls.readyHead = compact(ls.ready, ls.readyHead)
		if ls.slotsAreScarce() && l.inFlight >= minInFlight {
			ls.deferred = append(ls.deferred, l)
			continue
		}
		if l.health.Failing && !ls.mayStartFailing() {
			ls.failing = append(ls.failing, l)
			continue
		}
		if w := ls.startFrom(l, now); w != nil {
			return w
		}
	}
	return nil
}

// startFrom starts the oldest delivery of a lane that was ready, deferred or failing. It returns
// nil if the lane may no longer start one, because its limits have been lowered.
func (ls *lanes) startFrom(l *lane, now time.Time) *work {
	l.isScheduled = false
	if l.queued() == 0 || l.inFlight >= l.limit() || l.earliestStart().After(now) {
		ls.schedule(l, now)
		return nil
	}
	w := l.queue[l.head]
	l.queue[l.head] = nil
	l.head++
	l.queue, l.head = compact(l.queue, l.head)
	l.inFlight++
	ls.inFlight++
	l.lastStart = now
	w.interval, w.failing, w.unwell = l.interval, l.health.Failing, l.failures > 0 || l.health.IsUnwell()
	if w.failing {
		ls.inFlightFailing++
	}
	ls.schedule(l, now)
	return w
}

// endRequest records that a delivery is no longer in flight.
func (ls *lanes) endRequest(w *work) {
	w.lane.inFlight--
	ls.inFlight--
	if w.failing {
		ls.inFlightFailing--
	}
}

// nextStart returns when the first throttled lane may start a delivery, or zero if no lane is
// throttled.
func (ls *lanes) nextStart() time.Time {
	if len(ls.throttled) == 0 {
		return time.Time{}
	}
	return ls.throttled[0].earliestStart()
}

// finish records how a delivery in flight ended, and frees its slot.
func (ls *lanes) finish(w *work, ended result, now time.Time) {
	l := w.lane
	ls.endRequest(w)
	ls.buffered--
	ls.bytes -= len(w.claimed.Event.Payload)
	switch ended {
	case resultSuccess:
		l.failures = 0
		l.throughput.Add(now, 1)
		l.allowed = min(l.allowed+1, l.maxAllowed)
	case resultOverloaded:
		l.allowed = max(l.allowed/2, min(minInFlight, l.maxAllowed))
	}
	ls.undefer(l)
	ls.schedule(l, now)
}

// undefer makes a deferred lane ready again if it has fewer than minInFlight requests in
// flight, even if slots are scarce.
func (ls *lanes) undefer(l *lane) {
	if i := slices.Index(ls.deferred, l); i >= 0 && l.inFlight < minInFlight {
		ls.deferred = slices.Delete(ls.deferred, i, i+1)
		ls.ready = append(ls.ready, l)
	}
}

// postpone puts a delivery that was just started back at the head of its lane, which starts it
// again after the wait.
func (ls *lanes) postpone(w *work, wait time.Duration, now time.Time) {
	w.lane.lastStart = now.Add(wait - w.lane.interval)
	heap.Init(&ls.throttled) // the lane may be in it
	ls.putBack(w, now)
}

// putBack puts a delivery that was just started back at the head of its lane.
func (ls *lanes) putBack(w *work, now time.Time) {
	l := w.lane
	ls.endRequest(w)
	l.queue = slices.Insert(l.queue, l.head, w)
	ls.undefer(l)
	ls.schedule(l, now)
}

// result is what the outcome of an attempt says about the endpoint.
type result int

const (
	resultNeutral result = iota
	resultSuccess
	resultOverloaded
	resultUnsent // nothing was sent, because this machine lacked descriptors or memory
	resultHeld   // nothing was sent, because the endpoint is held back
)

// capacity returns how many more deliveries may be claimed: in all, for an empty lane, and
// for each lane that is not empty.
func (ls *lanes) capacity() (total, one int, of map[event.ID]int) {
	one = ls.depth()
	of = make(map[event.ID]int)
	for id, l := range ls.byID {
		if used := ls.used(l); used > 0 {
			of[id] = max(0, one-used)
		}
	}
	switch {
	case ls.bytes >= ls.limits.BufferedBytes:
		return 0, one, of
	case ls.isNearlyFull():
		return ls.limits.Buffered - ls.buffered, one, of
	}
	return max(1, ls.limits.Buffered*3/4-ls.buffered), one, of
}

// markOverflowed marks the lanes that were filled by a claim that left deliveries in the store.
func (ls *lanes) markOverflowed(r event.ClaimRequest, claimed []event.Claimed) {
	got := make(map[event.ID]int)
	for i := range claimed {
		got[claimed[i].Delivery.SubscriptionID]++
	}
	for id := range r.CapacityOf {
		got[id] += 0
	}
	for id, n := range got {
		if l := ls.byID[id]; l != nil && n >= r.CapacityFor(id) {
			l.overflowed = true
		}
	}
}

// clearOverflow reports, once, that there is capacity again for deliveries that were left in the
// store.
func (ls *lanes) clearOverflow(l *lane) bool {
	switch {
	case l.overflowed && l.queued() <= ls.depth()/4:
		l.overflowed = false
	case ls.overflowed && ls.buffered <= ls.limits.Buffered/2 && ls.bytes <= ls.limits.BufferedBytes/2:
		ls.overflowed = false
	default:
		return false
	}
	return true
}

// inOrder returns all lanes in the order of their subscriptions, so that each run of a
// simulation handles them in the same order.
func (ls *lanes) inOrder() []*lane {
	return slices.SortedFunc(maps.Values(ls.byID), bySubscription)
}

func bySubscription(a, b *lane) int { return slices.Compare(a.subscription[:], b.subscription[:]) }

// removeQueued empties the queues of all lanes and returns the deliveries.
func (ls *lanes) removeQueued() []*work {
	var all []*work
	for _, l := range ls.inOrder() {
		for _, w := range l.queue[l.head:] {
			ls.buffered--
			ls.bytes -= len(w.claimed.Event.Payload)
			all = append(all, w)
		}
		l.queue, l.head, l.isScheduled = nil, 0, false
	}
	ls.ready, ls.readyHead, ls.deferred, ls.failing, ls.throttled = nil, 0, nil, nil, nil
	return all
}

// removeQueuedOf empties the queue of one lane and returns the deliveries.
func (ls *lanes) removeQueuedOf(l *lane) []*work {
	queued := slices.Clone(l.queue[l.head:])
	for _, w := range queued {
		ls.buffered--
		ls.bytes -= len(w.claimed.Event.Payload)
	}
	l.queue, l.head = nil, 0
	return queued
}

// forgetIdle deletes lanes that have been idle for the given time, or for failingIdleTimeout if
// their last attempt failed.
func (ls *lanes) forgetIdle(now time.Time, idle time.Duration) {
	for id, l := range ls.byID {
		idle := idle
		if l.failures > 0 {
			idle = failingIdleTimeout
		}
		switch {
		case l.queued() > 0 || l.reserved > 0 || len(l.waiters) > 0 || l.inFlight > 0 || l.earliestStart().After(now):
			l.idleSince = time.Time{}
		case l.idleSince.IsZero():
			l.idleSince = now
		case now.Sub(l.idleSince) >= idle:
			delete(ls.byID, id)
		}
	}
}

// compact moves a queue to the front of its array once half of it was removed.
func compact[T any](queue []T, head int) ([]T, int) {
	if head < 32 && head < len(queue) || head*2 < len(queue) {
		return queue, head
	}
	n := copy(queue, queue[head:])
	clear(queue[n:])
	return queue[:n], 0
}

// throttled is a heap of lanes by their earliest start.
type throttled []*lane

func (t throttled) Len() int           { return len(t) }
func (t throttled) Less(i, j int) bool { return t[i].earliestStart().Before(t[j].earliestStart()) }
func (t throttled) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *throttled) Push(l any)        { *t = append(*t, l.(*lane)) }
func (t *throttled) Pop() any {
	old := *t
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	return l
}
