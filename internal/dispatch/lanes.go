package dispatch

import (
	"container/heap"
	"time"

	"hookferry/internal/event"
)

// Limits bounds what one node holds in memory and has under way.
type Limits struct {
	InFlight     int // requests under way in all
	LaneInFlight int // requests under way to one endpoint, unless its subscription says otherwise
	LaneDepth    int // deliveries that wait in one lane
	Held         int // deliveries in memory in all, waiting and under way
	HeldBytes    int // their payloads together
}

// startInFlight is how many requests a lane that is new may have under way. Each
// success adds one, up to the limit; each sign that the endpoint can't keep up
// halves it, down to fewestInFlight: a receiver that hangs holds two slots, not
// sixty-four.
const (
	startInFlight  = 8
	fewestInFlight = 2
)

// lane is the deliveries of one subscription that are in memory.
type lane struct {
	subscription event.ID
	queue        []*work // waits, the oldest first
	head         int     // queue[:head] is gone
	reserved     int     // promised to ingest, not yet there
	inFlight     int
	allowed      int           // how many may be in flight now
	most         int           // how far allowed may grow
	interval     time.Duration // least time between two starts; 0 without a rate limit
	nextStart    time.Time
	isReady      bool // it stands in lanes.ready or in lanes.throttled
	idleSince    time.Time
}

func (l *lane) waiting() int { return len(l.queue) - l.head }

// lanes says whose turn it is. It is pure: no goroutine, no lock, no clock.
//
// A lane is ready when something waits in it and it may have one more in flight.
// Ready lanes take turns, one delivery each.
type lanes struct {
	limits    Limits
	byID      map[event.ID]*lane
	ready     []*lane // in turn
	readyHead int
	throttled throttled // would be ready but for their rate, by the time they may go on
	held      int       // waiting, reserved and in flight, in all
	bytes     int
}

func newLanes(limits Limits) *lanes {
	return &lanes{limits: limits, byID: map[event.ID]*lane{}}
}

// of returns a subscription's lane, with its limits as the subscription has them now.
func (ls *lanes) of(sub event.Subscription) *lane {
	l := ls.byID[sub.ID]
	if l == nil {
		l = &lane{subscription: sub.ID, allowed: startInFlight}
		ls.byID[sub.ID] = l
	}
	l.most = ls.limits.LaneInFlight
	if sub.MaxInFlight > 0 {
		l.most = sub.MaxInFlight
	}
	l.allowed = min(l.allowed, l.most)
	l.interval = 0
	if sub.RatePerSecond > 0 {
		l.interval = time.Duration(float64(time.Second) / sub.RatePerSecond)
	}
	return l
}

// reserve makes room for one delivery that is about to be stored. Half of a lane
// is kept for what already waits in the store, so that new events never keep old
// ones out.
func (ls *lanes) reserve(l *lane, size int) bool {
	if l.waiting()+l.reserved >= ls.limits.LaneDepth/2 || ls.full(size) {
		return false
	}
	l.reserved++
	ls.held++
	ls.bytes += size
	return true
}

func (ls *lanes) full(size int) bool {
	return ls.held >= ls.limits.Held || ls.bytes+size > ls.limits.HeldBytes && ls.held > 0
}

// cancel gives a reservation back.
func (ls *lanes) cancel(l *lane, size int) {
	l.reserved--
	ls.held--
	ls.bytes -= size
}

// push adds a delivery, reserved before or claimed from the store.
func (ls *lanes) push(l *lane, w *work, reserved bool, now time.Time) {
	if reserved {
		l.reserved--
	} else {
		ls.held++
		ls.bytes += len(w.claimed.Event.Payload)
	}
	w.lane = l
	l.queue = append(l.queue, w)
	ls.enqueue(l, now)
}

// enqueue puts a lane where it belongs after something about it changed.
func (ls *lanes) enqueue(l *lane, now time.Time) {
	if l.isReady || l.waiting() == 0 || l.inFlight >= l.allowed {
		return
	}
	l.isReady = true
	if l.interval > 0 && l.nextStart.After(now) {
		heap.Push(&ls.throttled, l)
		return
	}
	ls.ready = append(ls.ready, l)
}

// next takes the delivery whose turn it is, or nil if there is none now.
func (ls *lanes) next(now time.Time) *work {
	for len(ls.throttled) > 0 && !ls.throttled[0].nextStart.After(now) {
		ls.ready = append(ls.ready, heap.Pop(&ls.throttled).(*lane))
	}
	if ls.readyHead == len(ls.ready) {
		return nil
	}
	l := ls.ready[ls.readyHead]
	ls.ready[ls.readyHead] = nil
	ls.readyHead++
	ls.ready, ls.readyHead = compact(ls.ready, ls.readyHead)

	l.isReady = false
	w := l.queue[l.head]
	l.queue[l.head] = nil
	l.head++
	l.queue, l.head = compact(l.queue, l.head)
	l.inFlight++
	if l.interval > 0 {
		l.nextStart = latest(l.nextStart, now).Add(l.interval)
	}
	ls.enqueue(l, now)
	return w
}

// nextStart is when the first throttled lane may go on; zero if there is none.
func (ls *lanes) nextStart() time.Time {
	if len(ls.throttled) == 0 {
		return time.Time{}
	}
	return ls.throttled[0].nextStart
}

// finish is told how a delivery in flight ended.
func (ls *lanes) finish(w *work, ended ending, now time.Time) {
	l := w.lane
	l.inFlight--
	ls.held--
	ls.bytes -= len(w.claimed.Event.Payload)
	switch ended {
	case endedWell:
		l.allowed = min(l.allowed+1, l.most)
	case endedOverloaded:
		l.allowed = max(l.allowed/2, min(fewestInFlight, l.most))
	}
	ls.enqueue(l, now)
}

// ending is what a delivery's end says about its endpoint.
type ending int

const (
	endedNeutral ending = iota
	endedWell
	endedOverloaded
)

// room is how many more deliveries may be claimed in all, and the exceptions from
// a whole lane's depth.
func (ls *lanes) room() (total int, of map[event.ID]int) {
	of = make(map[event.ID]int)
	for id, l := range ls.byID {
		if used := l.waiting() + l.reserved; used > 0 {
			of[id] = max(0, ls.limits.LaneDepth-used)
		}
	}
	if ls.bytes >= ls.limits.HeldBytes {
		return 0, of
	}
	return ls.limits.Held - ls.held, of
}

// drain takes everything that waits out of all lanes.
func (ls *lanes) drain() []*work {
	var all []*work
	for _, l := range ls.byID {
		for _, w := range l.queue[l.head:] {
			ls.held--
			ls.bytes -= len(w.claimed.Event.Payload)
			all = append(all, w)
		}
		l.queue, l.head, l.isReady = nil, 0, false
	}
	ls.ready, ls.readyHead, ls.throttled = nil, 0, nil
	return all
}

// sweep forgets lanes that have had nothing to do since the sweep before the last.
func (ls *lanes) sweep(now time.Time, idle time.Duration) {
	for id, l := range ls.byID {
		switch {
		case l.waiting() > 0 || l.reserved > 0 || l.inFlight > 0 || l.isReady:
			l.idleSince = time.Time{}
		case l.idleSince.IsZero():
			l.idleSince = now
		case now.Sub(l.idleSince) >= idle:
			delete(ls.byID, id)
		}
	}
}

// compact moves a queue to the front of its array once half of it is gone.
func compact[T any](queue []T, head int) ([]T, int) {
	if head < 32 && head < len(queue) || head*2 < len(queue) {
		return queue, head
	}
	n := copy(queue, queue[head:])
	clear(queue[n:])
	return queue[:n], 0
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// throttled is a heap of lanes by when they may go on.
type throttled []*lane

func (t throttled) Len() int           { return len(t) }
func (t throttled) Less(i, j int) bool { return t[i].nextStart.Before(t[j].nextStart) }
func (t throttled) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *throttled) Push(l any)        { *t = append(*t, l.(*lane)) }
func (t *throttled) Pop() any {
	old := *t
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	return l
}
