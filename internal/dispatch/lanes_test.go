package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// start is the beginning of time in the tests of lanes, which have no clock.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

var roomy = Limits{InFlight: 1000, LaneInFlight: 100, LaneDepth: 1000, Buffered: 1000, BufferedBytes: 1 << 20}

func named(name byte) event.Subscription {
	return event.Subscription{ID: event.ID{15: name}, Active: true}
}

// put claims one delivery for the lane. Its payload is its name.
func (ls *lanes) put(sub event.Subscription, payload string, now time.Time) {
	ls.push(ls.laneOf(sub), &work{claimed: event.Claimed{
		Delivery: event.Delivery{SubscriptionID: sub.ID}, Event: event.Event{Payload: []byte(payload)},
	}}, false, now)
}

// takeAll starts deliveries until none may start, and returns their payloads.
func (ls *lanes) takeAll(now time.Time) (taken []*work, names string) {
	var list []string
	for w := ls.next(now); w != nil; w = ls.next(now) {
		taken = append(taken, w)
		list = append(list, string(w.claimed.Event.Payload))
	}
	return taken, strings.Join(list, " ")
}

func TestLanesTakeTurns(t *testing.T) {
	for _, c := range []struct{ in, want, why string }{
		{"a1 a2 a3", "a1 a2 a3", "one lane: the oldest first"},
		{"a1 a2 a3 b1 c1 c2", "a1 b1 c1 a2 c2 a3", "one each, in the order in which they became ready"},
		{"a1 b1 b2 b3 a2 a3", "a1 b1 a2 b2 a3 b3", "a lane that has more goes to the end"},
		{"a1 a2 a3 a4 a5 a6 a7 a8 a9 b1", "a1 b1 a2 a3 a4 a5 a6 a7 a8", "a new lane may have eight under way"},
	} {
		ls := newLanes(roomy)
		for name := range strings.FieldsSeq(c.in) {
			ls.put(named(name[0]), name, start)
		}
		if _, got := ls.takeAll(start); got != c.want {
			t.Errorf("%s: took %s, want %s: %s", c.in, got, c.want, c.why)
		}
	}
}

func TestLaneLearns(t *testing.T) {
	limits := Limits{LaneInFlight: 12, LaneDepth: 100, Buffered: 100, BufferedBytes: 1000}
	for _, c := range []struct {
		max  int // of the subscription itself
		ends string
		want int
		why  string
	}{
		{0, "", 8, "the initial limit"},
		{0, "w", 9, "a success adds one"},
		{0, "wwwwww", 12, "up to the service's limit"},
		{20, "wwwwww", 14, "the subscription's own limit may be higher"},
		{3, "wwwwww", 3, "or lower"},
		{1, "", 1, "its own limit applies from the beginning"},
		{0, "nnn", 8, "a response like 500 says nothing about the endpoint's capacity"},
		{0, "o", 4, "overload halves it"},
		{0, "oooooo", 2, "down to two, so that an endpoint that hangs uses two slots"},
		{1, "oooooo", 1, "or one, if that is its own limit"},
		{0, "oooow", 3, "after overload, a success adds one again"},
	} {
		ls := newLanes(limits)
		sub := named('a')
		sub.MaxInFlight = c.max
		for _, end := range c.ends {
			ls.put(sub, "x", start)
			ls.finish(ls.next(start), map[rune]result{'w': resultSuccess, 'n': resultNeutral, 'o': resultOverloaded}[end], start)
		}
		if got := ls.laneOf(sub).allowed; got != c.want {
			t.Errorf("max %d, %q: %d may be under way, want %d: %s", c.max, c.ends, got, c.want, c.why)
		}
	}
}

// A lane may have to slow down while it already waits for its turn.
func TestLaneThatSlowsDownInLine(t *testing.T) {
	ls := newLanes(roomy)
	for i := range 20 {
		ls.put(named('a'), fmt.Sprint("a", i), start)
	}
	taken, _ := ls.takeAll(start)
	for range 6 { // b and c wait for their turns, as on a node without a free slot
		ls.put(named('b'), "b", start)
	}
	ls.finish(taken[0], resultNeutral, start) // a has a slot again and waits for its turn, behind b
	for _, w := range taken[1:4] {
		ls.finish(w, resultOverloaded, start) // now it may have two in flight, and has four
	}
	if _, got := ls.takeAll(start); strings.Contains(got, "a") {
		t.Errorf("took %s: four of a are under way, and it may have two", got)
	}
}

func TestLaneKeepsItsRate(t *testing.T) {
	ls := newLanes(roomy)
	slow, fast := named('s'), named('f')
	slow.RatePerSecond, fast.RatePerSecond = 10, 100
	for i := range 4 {
		ls.put(slow, fmt.Sprint("s", i), start)
		ls.put(fast, fmt.Sprint("f", i), start)
		ls.put(named('u'), fmt.Sprint("u", i), start)
	}
	for _, c := range []struct {
		ms   int
		want string
		why  string
	}{
		{0, "s0 f0 u0 u1 u2 u3", "one of each, and all of the lane without a rate"},
		{9, "", "no lane may start yet"},
		{10, "f1", "the fast lane may start again"},
		{15, "", "it has just started one"},
		{100, "f2 s1", "both lanes, and first the one that has waited longer"},
		{5000, "f3 s2", "one each: idle time does not accumulate"},
		{5100, "s3", "the last"},
	} {
		now := start.Add(time.Duration(c.ms) * time.Millisecond)
		if _, got := ls.takeAll(now); got != c.want {
			t.Errorf("at %d ms: took %q, want %q: %s", c.ms, got, c.want, c.why)
		}
	}
	if at := ls.nextStart(); !at.IsZero() {
		t.Errorf("a delivery is to start at %v, although none is left", at)
	}
}

func TestRateThatChanges(t *testing.T) {
	for _, c := range []struct {
		before, after float64
		at            time.Duration
		want          int
		why           string
	}{
		{0.001, 10, 100 * time.Millisecond, 1, "a lane that would wait for a quarter of an hour continues at its new rate"},
		{0.001, 0, 0, 2, "without a rate limit, it continues at once"},
		{10, 0.1, 9 * time.Second, 0, "a lower rate applies since the last start"},
		{1e-12, 1e-12, 12 * time.Hour, 0, "a tiny rate is not unlimited"},
	} {
		ls := newLanes(roomy)
		sub := named('a')
		sub.RatePerSecond = c.before
		for range 3 {
			ls.put(sub, "a", start)
		}
		if taken, _ := ls.takeAll(start); len(taken) != 1 {
			t.Errorf("%v a second: %d start at once: %s", c.before, len(taken), c.why)
		}
		sub.RatePerSecond = c.after
		ls.laneOf(sub)
		if taken, _ := ls.takeAll(start.Add(c.at)); len(taken) != c.want {
			t.Errorf("from %v to %v a second, after %v: %d start, want %d: %s", c.before, c.after, c.at, len(taken), c.want, c.why)
		}
	}
}

// Reservations of ingest leave capacity for deliveries in the store, in a lane and in the node.
func TestReserveLeavesCapacity(t *testing.T) {
	limits := Limits{LaneInFlight: 4, LaneDepth: 8, Buffered: 40, BufferedBytes: 400}
	for _, c := range []struct {
		lanes, size int
		least, most int
		why         string
	}{
		{1, 1, 4, 4, "half of one lane"},
		{4, 1, 16, 16, "half of each lane, while the node has capacity"},
		{100, 1, 20, 36, "never all of the node's deliveries"},
		{100, 20, 10, 18, "never all of the node's bytes"},
		{1, 1000, 1, 1, "one payload may be larger than the limit, if it is the only one"},
	} {
		ls := newLanes(limits)
		got := 0
		for range 10 {
			for i := range c.lanes {
				if ls.reserve(ls.laneOf(named(byte(i))), c.size) {
					got++
				}
			}
		}
		if got < c.least || got > c.most {
			t.Errorf("%d lanes, %d bytes each: %d reserved, want %d to %d: %s", c.lanes, c.size, got, c.least, c.most, c.why)
		}
	}
}

// A lane that is flooded, by ingest and from the store, leaves some capacity to the others. That
// holds for a few large payloads as well as for many small ones.
func TestFloodedLaneLeavesCapacity(t *testing.T) {
	for _, c := range []struct {
		limits Limits
		size   int
	}{
		{Limits{LaneInFlight: 4, LaneDepth: 100, Buffered: 100, BufferedBytes: 1 << 20}, 1},
		{Limits{LaneInFlight: 4, LaneDepth: 100, Buffered: 10_000, BufferedBytes: 1000}, 20},
	} {
		ls := newLanes(c.limits)
		for range 200 {
			ls.reserve(ls.laneOf(named('f')), c.size)
			total, _, of := ls.capacity()
			if room, partly := of[named('f').ID]; total > 0 && (room > 0 || !partly) {
				ls.put(named('f'), strings.Repeat("f", c.size), start)
			}
		}
		for range 3 {
			if !ls.reserve(ls.laneOf(named('q')), c.size) {
				t.Errorf("%d bytes each: a flooded lane leaves no capacity for new events of a quiet one", c.size)
				break
			}
		}
		if total, _, _ := ls.capacity(); total < 5 {
			t.Errorf("%d bytes each: the node has capacity to claim %d more", c.size, total)
		}
	}
}

func TestCapacityIsNeverNegative(t *testing.T) {
	ls := newLanes(Limits{LaneInFlight: 1, LaneDepth: 2, Buffered: 100, BufferedBytes: 100})
	for range 5 { // a store that returns more than it was asked for
		ls.put(named('a'), "a", start)
	}
	if _, _, of := ls.capacity(); of[named('a').ID] != 0 {
		t.Errorf("a lane that is over-full has capacity for %d", of[named('a').ID])
	}
}

func TestDrain(t *testing.T) {
	ls := newLanes(roomy)
	limited := named('l')
	limited.RatePerSecond = 1
	for i := range 12 {
		ls.put(named('a'), fmt.Sprint("a", i), start)
		ls.put(limited, fmt.Sprint("l", i), start)
	}
	ls.reserve(ls.laneOf(named('r')), 5)
	taken, _ := ls.takeAll(start)
	waiting := ls.removeQueued()
	if len(taken)+len(waiting) != 24 {
		t.Fatalf("%d were under way and %d drained, of 24", len(taken), len(waiting))
	}
	if again, _ := ls.takeAll(start.Add(time.Hour)); len(again) > 0 || !ls.nextStart().IsZero() {
		t.Errorf("%d can be started after everything was drained", len(again))
	}
	for _, w := range taken {
		ls.finish(w, resultSuccess, start)
	}
	ls.cancel(ls.laneOf(named('r')), 5)
	if ls.buffered != 0 || ls.bytes != 0 {
		t.Errorf("%d deliveries with %d bytes are counted, although none is left", ls.buffered, ls.bytes)
	}
}

func TestSweepForgetsIdleLanesOnly(t *testing.T) {
	limited := named('l')
	limited.RatePerSecond = 0.001 // once in a quarter of an hour
	for _, c := range []struct {
		why  string
		kept bool
		lane func(ls *lanes)
	}{
		{"nothing to do", false, func(ls *lanes) { ls.laneOf(named('a')) }},
		{"a delivery is queued", true, func(ls *lanes) { ls.put(named('a'), "x", start) }},
		{"a delivery is in flight", true, func(ls *lanes) { ls.put(named('a'), "x", start); ls.next(start) }},
		{"ingest is about to deliver", true, func(ls *lanes) { ls.reserve(ls.laneOf(named('a')), 1) }},
		{"all deliveries have ended", false, func(ls *lanes) {
			ls.put(named('a'), "x", start)
			ls.finish(ls.next(start), resultSuccess, start)
		}},
		{"its rate limit does not permit the next delivery yet", true, func(ls *lanes) {
			ls.put(limited, "x", start)
			ls.finish(ls.next(start), resultSuccess, start)
		}},
	} {
		ls := newLanes(roomy)
		c.lane(ls)
		for _, s := range []int{0, 30, 60, 90} {
			ls.forgetIdle(start.Add(time.Duration(s)*time.Second), time.Minute)
		}
		if kept := len(ls.byID) > 0; kept != c.kept {
			t.Errorf("%s: kept %v", c.why, kept)
		}
	}
}

func TestSweepCountsFromTheLastWork(t *testing.T) {
	ls := newLanes(roomy)
	ls.laneOf(named('a'))
	ls.forgetIdle(start, time.Minute)
	ls.put(named('a'), "x", start)
	ls.forgetIdle(start.Add(50*time.Second), time.Minute)
	ls.finish(ls.next(start), resultSuccess, start)
	ls.forgetIdle(start.Add(70*time.Second), time.Minute)
	ls.forgetIdle(start.Add(120*time.Second), time.Minute)
	if len(ls.byID) == 0 {
		t.Error("forgot a lane that had been idle for 50 seconds of a minute")
	}
}

func TestCompactKeepsOrder(t *testing.T) {
	var queue []int
	head, in, out, most := 0, 0, 0, 0
	for step := range 20_000 { // two pushed for each that starts, then the other way round
		if in-out == 0 || step%3 != 0 == (step < 10_000) {
			queue = append(queue, in)
			in++
		} else {
			if queue[head] != out {
				t.Fatalf("took %d, want %d", queue[head], out)
			}
			head++
			out++
			queue, head = compact(queue, head)
		}
		if !slices.IsSorted(queue[head:]) || len(queue)-head != in-out {
			t.Fatalf("step %d: %d are left, want %d in order", step, len(queue)-head, in-out)
		}
		most = max(most, in-out)
	}
	if len(queue) > 2*most+64 {
		t.Errorf("the array has %d entries, although at most %d were queued", len(queue), most)
	}
}
