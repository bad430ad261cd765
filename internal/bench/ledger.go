package bench

import (
	"sync/atomic"
	"time"
)

const (
	pageBits = 16
	pageSize = 1 << pageBits
	maxPages = 1 << 12 // 268 million events
)

// bitmap is a set of numbers. Many goroutines may add numbers at the same time.
type bitmap struct {
	pages [maxPages]atomic.Pointer[[pageSize / 32]atomic.Uint32]
}

// add returns false if n was already in the set.
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

// times stores a time for each number. Many goroutines may use it at the same time.
type times struct {
	pages [maxPages]atomic.Pointer[[pageSize]atomic.Int64]
}

func (m *times) set(n uint64, d time.Duration) {
	at := &m.pages[n>>pageBits%maxPages]
	if at.Load() == nil {
		at.CompareAndSwap(nil, new([pageSize]atomic.Int64))
	}
	at.Load()[n%pageSize].Store(int64(d))
}

// get returns 0 for a number without a time.
func (m *times) get(n uint64) time.Duration {
	p := m.pages[n>>pageBits%maxPages].Load()
	if p == nil {
		return 0
	}
	return time.Duration(p[n%pageSize].Load())
}

// ledger records which events were published in a phase, and which arrived. The generator and the
// receiver write to it at the same time.
type ledger struct {
	load  Load
	run   uint64 // identifies the bodies of this phase
	start time.Time

	next       atomic.Uint64 // the number of the next event
	accepted   bitmap
	acceptedAt times // when the 202 was read, since start
	arrived    bitmap

	acceptedCount atomic.Int64 // to endpoints that accept events
	arrivedCount  atomic.Int64 // of these, each event counted once
	requests      atomic.Int64 // all requests at all endpoints, including repeated ones
	duplicates    atomic.Int64 // at endpoints that accept events
	lastAccepted  atomic.Int64 // since start, in nanoseconds
	lastArrival   atomic.Int64

	refused [600]atomic.Int64 // by status
	broken  atomic.Int64      // events without a response

	accept  histogram // from POST to 202
	arrival histogram // from POST to the first arrival at an endpoint that responds at once
	queued  histogram // from the 202 to that arrival; 0 if it arrived earlier
}

func newLedger(load Load, run uint64) *ledger {
	return &ledger{load: load, run: run, start: time.Now()}
}

// recordResponse records the response to the n-th event, which was published at the given time.
func (l *ledger) recordResponse(n uint64, status int, posted time.Time) {
	if status != 202 {
		l.refused[min(max(status, 0), len(l.refused)-1)].Add(1)
		return
	}
	now := time.Now()
	l.accept.add(now.Sub(posted))
	storeMax(&l.lastAccepted, now.Sub(l.start))
	if l.load.behaviourOf(l.load.subscriptionOf(n)).acceptsEvents() {
		l.acceptedAt.set(n, now.Sub(l.start))
		l.accepted.add(n)
		l.acceptedCount.Add(1)
	}
}

// recordArrival records a request at the receiver.
func (l *ledger) recordArrival(n uint64, posted time.Time) {
	l.requests.Add(1)
	m := l.load.behaviourOf(l.load.subscriptionOf(n))
	if !m.acceptsEvents() {
		return
	}
	if !l.arrived.add(n) {
		l.duplicates.Add(1)
		return
	}
	now := time.Now()
	l.arrivedCount.Add(1)
	storeMax(&l.lastArrival, now.Sub(l.start))
	if m == prompt {
		l.arrival.add(now.Sub(posted))
		if at := l.acceptedAt.get(n); at > 0 {
			l.queued.add(now.Sub(l.start) - at)
		} else {
			l.queued.add(0)
		}
	}
}

func storeMax(at *atomic.Int64, d time.Duration) {
	for {
		was := at.Load()
		if int64(d) <= was || at.CompareAndSwap(was, int64(d)) {
			return
		}
	}
}

// lost returns how many events were accepted for an endpoint that accepts events, but never
// arrived.
func (l *ledger) lost() (n int) {
	for i := range l.next.Load() {
		if l.accepted.has(i) && !l.arrived.has(i) {
			n++
		}
	}
	return n
}
