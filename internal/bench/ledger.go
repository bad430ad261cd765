package bench

import (
	"sync/atomic"
	"time"
)

const (
	pageBits = 16
	pageSize = 1 << pageBits
	maxPages = 1 << 12 // a quarter of a thousand million events
)

// bitmap is a set of numbers that many goroutines may add to at once.
type bitmap struct {
	pages [maxPages]atomic.Pointer[[pageSize / 32]atomic.Uint32]
}

// add returns false if n was in it already.
func (b *bitmap) add(n uint64) bool {
	page := b.page(n)
	bit := uint32(1) << (n % 32)
	return page[n%pageSize/32].Or(bit)&bit == 0
}

func (b *bitmap) page(n uint64) *[pageSize / 32]atomic.Uint32 {
	at := &b.pages[n>>pageBits%maxPages]
	if p := at.Load(); p != nil {
		return p
	}
	at.CompareAndSwap(nil, new([pageSize / 32]atomic.Uint32))
	return at.Load()
}

func (b *bitmap) has(n uint64) bool {
	p := b.pages[n>>pageBits%maxPages].Load()
	return p != nil && p[n%pageSize/32].Load()&(1<<(n%32)) != 0
}

// moments is a time for each number, which many goroutines may set and read at once.
type moments struct {
	pages [maxPages]atomic.Pointer[[pageSize]atomic.Int64]
}

func (m *moments) set(n uint64, d time.Duration) {
	at := &m.pages[n>>pageBits%maxPages]
	if at.Load() == nil {
		at.CompareAndSwap(nil, new([pageSize]atomic.Int64))
	}
	at.Load()[n%pageSize].Store(int64(d))
}

// get returns 0 for a number that has none.
func (m *moments) get(n uint64) time.Duration {
	p := m.pages[n>>pageBits%maxPages].Load()
	if p == nil {
		return 0
	}
	return time.Duration(p[n%pageSize].Load())
}

// ledger is what was posted in one phase and what of it arrived. The generator and
// the receiver write to it at the same time.
type ledger struct {
	load  Load
	run   uint64 // tells the bodies of this phase from others'
	start time.Time

	next     atomic.Uint64 // the number of the next event
	accepted bitmap
	answered moments // when its 202 was read, since start
	arrived  bitmap

	acceptedCount atomic.Int64 // those of endpoints that answer
	arrivedCount  atomic.Int64 // of them, each event once
	requests      atomic.Int64 // all that came, of any endpoint, repetitions included
	duplicates    atomic.Int64 // of endpoints that answer
	lastAccepted  atomic.Int64 // since start, in nanoseconds
	lastArrival   atomic.Int64

	refused [600]atomic.Int64 // by status
	broken  atomic.Int64      // posts without an answer

	accept  histogram // from the post to its 202
	arrival histogram // from the post to its first arrival at an endpoint that answers at once
	queued  histogram // from the 202 to that; 0 where it arrived before
}

func newLedger(load Load, run uint64) *ledger {
	return &ledger{load: load, run: run, start: time.Now()}
}

// took is an answer to the n-th event, which was posted at the time given.
func (l *ledger) took(n uint64, status int, posted time.Time) {
	if status != 202 {
		l.refused[min(max(status, 0), len(l.refused)-1)].Add(1)
		return
	}
	now := time.Now()
	l.accept.add(now.Sub(posted))
	later(&l.lastAccepted, now.Sub(l.start))
	if l.load.mannerOf(l.load.subscriptionOf(n)).answers() {
		l.answered.set(n, now.Sub(l.start))
		l.accepted.add(n)
		l.acceptedCount.Add(1)
	}
}

// arrive is one request at the receiver.
func (l *ledger) arrive(n uint64, posted time.Time) {
	l.requests.Add(1)
	m := l.load.mannerOf(l.load.subscriptionOf(n))
	if !m.answers() {
		return
	}
	if !l.arrived.add(n) {
		l.duplicates.Add(1)
		return
	}
	now := time.Now()
	l.arrivedCount.Add(1)
	later(&l.lastArrival, now.Sub(l.start))
	if m == prompt {
		l.arrival.add(now.Sub(posted))
		if answered := l.answered.get(n); answered > 0 {
			l.queued.add(now.Sub(l.start) - answered)
		} else {
			l.queued.add(0)
		}
	}
}

func later(at *atomic.Int64, d time.Duration) {
	for {
		was := at.Load()
		if int64(d) <= was || at.CompareAndSwap(was, int64(d)) {
			return
		}
	}
}

// lost counts what was answered 202 for an endpoint that answers, and never came.
func (l *ledger) lost() (n int) {
	for i := range l.next.Load() {
		if l.accepted.has(i) && !l.arrived.has(i) {
			n++
		}
	}
	return n
}
