package dispatch

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/internal/event"
)

// machine does at random everything that can happen to lanes, and checks the invariants after every
// step.
type machine struct {
	ls       *lanes
	subs     []event.Subscription
	now      time.Time
	pushed   map[event.ID]int // the numbers given to deliveries of each lane
	started  map[event.ID]int
	at       map[event.ID]time.Time // of the last start
	rate     map[event.ID]time.Duration
	flying   []*work
	reserved []int // indices of subs
	passed   map[event.ID]map[event.ID]int
}

const propSize = 3 // bytes of every payload

func TestLanesHoldTheirRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{
			ls:  newLanes(Limits{InFlight: 6, LaneInFlight: 10, LaneDepth: 12, Buffered: 40, BufferedBytes: 100}),
			now: start, pushed: map[event.ID]int{}, started: map[event.ID]int{}, at: map[event.ID]time.Time{},
			rate: map[event.ID]time.Duration{}, passed: map[event.ID]map[event.ID]int{},
		}
		for i := range 4 {
			m.subs = append(m.subs, named(byte(i)))
		}
		t.Repeat(map[string]func(*rapid.T){
			"change": m.change, "reserve": m.reserve, "cancel": m.cancel, "deliver": m.deliver, "claim": m.claim,
			"next": m.next, "finish": m.finish, "wait": m.wait, "": m.check,
		})
		m.finishAll(t)
	})
}

func (m *machine) sub(t *rapid.T) int { return rapid.IntRange(0, len(m.subs)-1).Draw(t, "sub") }

func (m *machine) change(t *rapid.T) {
	s := &m.subs[m.sub(t)]
	s.MaxInFlight = rapid.IntRange(0, 12).Draw(t, "max")
	s.RatePerSecond = rapid.SampledFrom([]float64{0, 0, 1, 10, 100}).Draw(t, "rate")
	m.ls.laneOf(*s)
}

func (m *machine) reserve(t *rapid.T) {
	i := m.sub(t)
	if m.ls.reserve(m.ls.laneOf(m.subs[i]), propSize) {
		m.reserved = append(m.reserved, i)
	}
}

// takeReserved uses one of the reservations, if there is one.
func (m *machine) takeReserved(t *rapid.T) (s event.Subscription, found bool) {
	if len(m.reserved) == 0 {
		return s, false
	}
	i := rapid.IntRange(0, len(m.reserved)-1).Draw(t, "reservation")
	s = m.subs[m.reserved[i]]
	m.reserved = slices.Delete(m.reserved, i, i+1)
	return s, true
}

func (m *machine) cancel(t *rapid.T) {
	if s, found := m.takeReserved(t); found {
		m.ls.cancel(m.ls.byID[s.ID], propSize)
	}
}

func (m *machine) deliver(t *rapid.T) {
	if s, found := m.takeReserved(t); found {
		m.push(s, true)
	}
}

func (m *machine) claim(t *rapid.T) {
	s := m.subs[m.sub(t)]
	for range rapid.IntRange(1, 5).Draw(t, "n") {
		total, _, of := m.ls.capacity()
		if room, partly := of[s.ID]; total > 0 && (room > 0 || !partly) {
			m.push(s, false)
		}
	}
}

// push numbers the deliveries of a lane by their attempts, which lanes do not use.
func (m *machine) push(s event.Subscription, reserved bool) {
	w := &work{claimed: event.Claimed{
		Delivery: event.Delivery{SubscriptionID: s.ID, Attempts: m.pushed[s.ID]}, Event: event.Event{Payload: make([]byte, propSize)},
	}}
	m.pushed[s.ID]++
	m.ls.push(m.ls.laneOf(s), w, reserved, m.now)
}

// mayStart implements the rule again, independently of lanes.
func (m *machine) mayStart(l *lane) bool {
	if len(m.flying) >= m.ls.limits.InFlight*3/4 && l.inFlight >= minInFlight {
		return false // the last quarter of the slots is for lanes with few in flight
	}
	free := !m.now.Before(m.at[l.subscription].Add(l.interval))
	return l.queued() > 0 && l.inFlight < l.allowed && (l.interval == 0 || m.at[l.subscription].IsZero() || free)
}

func (m *machine) next(t *rapid.T) {
	may := map[event.ID]bool{}
	for id, l := range m.ls.byID {
		may[id] = m.mayStart(l)
		if !may[id] {
			delete(m.passed, id)
		}
	}
	w := m.ls.next(m.now)
	if w == nil {
		for id, can := range may {
			if can {
				t.Fatalf("lane %x may start a delivery but gets no turn", id[15])
			}
		}
		return
	}
	id := w.claimed.Delivery.SubscriptionID
	if !may[id] || w.lane != m.ls.byID[id] {
		t.Fatalf("lane %x got a turn but may not start a delivery", id[15])
	}
	if w.claimed.Delivery.Attempts != m.started[id] {
		t.Fatalf("lane %x started its number %d, want %d: the oldest first", id[15], w.claimed.Delivery.Attempts, m.started[id])
	}
	m.started[id]++
	m.at[id] = m.now
	m.flying = append(m.flying, w)
	m.countTurns(t, id, may)
}

// countTurns checks that no lane that could start is passed over twice by another.
func (m *machine) countTurns(t *rapid.T, turn event.ID, may map[event.ID]bool) {
	delete(m.passed, turn)
	for id, can := range may {
		if !can || id == turn {
			continue
		}
		if m.passed[id] == nil {
			m.passed[id] = map[event.ID]int{}
		}
		if m.passed[id][turn]++; m.passed[id][turn] > 1 {
			t.Fatalf("lane %x got two turns while lane %x waited for one", turn[15], id[15])
		}
	}
}

func (m *machine) finish(t *rapid.T) {
	if len(m.flying) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.flying)-1).Draw(t, "which")
	end := rapid.SampledFrom([]result{resultNeutral, resultSuccess, resultOverloaded}).Draw(t, "end")
	m.ls.finish(m.flying[i], end, m.now)
	m.flying = slices.Delete(m.flying, i, i+1)
}

func (m *machine) wait(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 1500).Draw(t, "ms")) * time.Millisecond)
}

func (m *machine) check(t *rapid.T) {
	held, soonest := len(m.flying)+len(m.reserved), time.Time{}
	for id, l := range m.ls.byID {
		held += l.queued()
		if l.allowed < 1 || l.allowed > l.maxAllowed {
			t.Fatalf("lane %x may have %d under way, of 1 to %d", id[15], l.allowed, l.maxAllowed)
		}
		if l.queued()+l.reserved > m.ls.limits.LaneDepth+len(m.reserved) {
			t.Fatalf("lane %x has %d queued", id[15], l.queued())
		}
		// A deferred lane is considered before anything starts.
		inLine := l.isScheduled && !slices.Contains(m.ls.throttled, l)
		if at := m.at[id].Add(l.interval); l.queued() > 0 && l.inFlight < l.allowed && !inLine && (soonest.IsZero() || at.Before(soonest)) {
			soonest = at
		}
	}
	if m.ls.buffered != held || m.ls.bytes != propSize*held {
		t.Fatalf("%d deliveries with %d bytes are counted, want %d with %d", m.ls.buffered, m.ls.bytes, held, propSize*held)
	}
	if at := m.ls.nextStart(); !soonest.IsZero() && (at.IsZero() || at.After(soonest)) {
		t.Fatalf("the next start is at %v, want %v or before: a lane would wait too long", at, soonest)
	}
}

func (m *machine) finishAll(t *rapid.T) {
	waiting := m.ls.removeQueued()
	for _, w := range m.flying {
		m.ls.finish(w, resultNeutral, m.now)
	}
	for _, i := range m.reserved {
		m.ls.cancel(m.ls.byID[m.subs[i].ID], propSize)
	}
	total := len(waiting)
	for id := range m.pushed {
		total += m.started[id] - m.pushed[id]
	}
	if total != 0 || m.ls.buffered != 0 || m.ls.bytes != 0 {
		t.Fatalf("at the end %d are missing, and %d with %d bytes are left", -total, m.ls.buffered, m.ls.bytes)
	}
	if at := m.ls.nextStart(); !at.IsZero() {
		t.Fatalf("a delivery is to start at %v, although all lanes are empty", at)
	}
	m.ls.forgetIdle(m.now.Add(time.Hour), time.Minute)
	m.ls.forgetIdle(m.now.Add(2*time.Hour), time.Minute)
	if len(m.ls.byID) != 0 {
		t.Fatalf("%d lanes are never forgotten", len(m.ls.byID))
	}
}
