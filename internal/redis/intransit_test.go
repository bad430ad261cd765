package redis

import (
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// way is an inTransit with a clock and a stream of the test.
type way struct {
	inTransit
	now    time.Time
	hints  map[event.ID]bool
	stream int
}

func newWay() *way {
	return &way{inTransit: newInTransit(), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), hints: map[event.ID]bool{}}
}

// pass reserves and adds as many as possible, up to n, and returns how many.
func (w *way) pass(subscription event.ID, n int) (passed int) {
	for passed < n && w.reserve(subscription, 100, w.now) {
		w.add(subscription, 100)
		w.stream++
		passed++
	}
	return passed
}

// readAndObserve makes the workers read n, and observes the length of the stream.
func (w *way) readAndObserve(read int) {
	w.stream -= min(read, w.stream)
	w.observeLength(w.stream, w.now, func(subscription event.ID, is bool) { w.hints[subscription] = is })
}

// reading makes the workers read n a second for a while, of another subscription.
func (w *way) reading(perSecond int) {
	for range 30 {
		w.now = w.now.Add(10 * time.Millisecond)
		w.pass(event.ID{9}, perSecond/100)
		w.readAndObserve(w.stream)
	}
}

func TestMostOnTheWay(t *testing.T) {
	for _, row := range []struct {
		why   string
		prep  func(w *way)
		want  int
		slows bool // those without capacity
	}{
		{"nothing is known of the workers", func(*way) {}, maxPerSubscription, false},
		{"the workers had little to read", func(w *way) { w.reading(300) }, maxPerSubscription, false},
		{"they read 1,000 a second: as many as they read in 100 ms", func(w *way) { w.reading(1000) }, 100, true},
		{"they read 10,000 a second", func(w *way) { w.reading(10_000) }, maxPerSubscription, true},
		{"they read 10,000 a second, and then nothing for a second", func(w *way) { w.reading(10_000); w.now = w.now.Add(time.Second) }, maxPerSubscription, false},
		{"half of the stream is used", func(w *way) { w.reading(10_000); w.readAndObserve(0); w.backlog = maxInTransit / 2 }, minPerSubscription, true},
		{"nearly all of the stream is used", func(w *way) { w.reading(10_000); w.backlog = maxInTransit - 3 }, 3, true},
		{"all of the stream is used", func(w *way) { w.reading(10_000); w.backlog = maxInTransit }, 0, true},
		{"others have filled it, and no worker reads", func(w *way) { w.backlog = maxInTransit }, 0, false},
	} {
		w := newWay()
		row.prep(w)
		got := w.reserveAll(theSub)
		if got != row.want {
			t.Errorf("%s: %d may be in transit, want %d", row.why, got, row.want)
		}
		if slows := w.isBehind(theSub, w.now); slows != row.slows {
			t.Errorf("%s: its publishers are slowed down: %v", row.why, slows)
		}
	}
}

func (w *way) reserveAll(subscription event.ID) (n int) {
	for w.reserve(subscription, 1, w.now) {
		n++
	}
	return n
}

// Publishers no longer wait once half of the deliveries in transit have been read, or once no worker
// reads any more.
func TestBehindUntilHalfIsRead(t *testing.T) {
	w := newWay()
	w.reading(10_000)
	if n := w.pass(theSub, 1000); n != maxPerSubscription {
		t.Fatalf("%d passed, want %d", n, maxPerSubscription)
	}
	w.isBehind(theSub, w.now)
	for _, step := range []struct{ read, want int }{{0, 1}, {100, 1}, {27, 1}, {1, 0}, {100, 0}} {
		w.readAndObserve(step.read)
		if got := w.hints[theSub]; got != (step.want == 1) {
			t.Errorf("with %d in the stream: behind is %v", w.stream, got)
		}
	}
	if w.pass(theSub, 1000); len(w.behind) != 0 {
		t.Error("the hint is remembered")
	}
	w.isBehind(theSub, w.now)
	w.now = w.now.Add(time.Second)
	if w.readAndObserve(0); w.hints[theSub] || len(w.behind) != 0 {
		t.Error("the workers are still behind, although nothing was read for a second")
	}
}

// Entries of other nodes do not count as this node's. Entries that were read, or lost with Redis,
// are no longer in transit.
func TestUnreadIsForgotten(t *testing.T) {
	w := newWay()
	w.pass(theSub, 100)
	w.stream += 500 // another node's
	w.readAndObserve(0)
	if n := w.bySubscription[theSub]; n != 100 {
		t.Errorf("%d are in transit, want 100", n)
	}
	w.stream = 30
	w.readAndObserve(0)
	if n := w.bySubscription[theSub]; n != 30 || len(w.unread) != 30 {
		t.Errorf("%d and %d are counted, want at most the 30 in the stream", n, len(w.unread))
	}
	w.stream = 0 // Redis has lost its data
	w.readAndObserve(0)
	if len(w.bySubscription) != 0 || len(w.unread) != 0 || w.reserved != 0 || w.bytes != 0 {
		t.Errorf("left are %+v", w.inTransit)
	}
}
