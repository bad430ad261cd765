package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// fine is how many equal parts each power of two has in a histogram: a value is
// known to 1/fine of itself.
const (
	fineBits = 6
	fine     = 1 << fineBits
)

// histogram counts durations. It keeps no single value, so that it costs the same
// for ten of them and for ten million. It may be used by many goroutines at once.
type histogram struct {
	counts [(64 - fineBits) * fine]atomic.Uint64
	max    atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[slotOf(uint64(d))].Add(1)
	for {
		most := h.max.Load()
		if int64(d) <= most || h.max.CompareAndSwap(most, int64(d)) {
			return
		}
	}
}

// slotOf is where a value is counted: below fine one by one, above it in parts of
// its power of two.
func slotOf(v uint64) int {
	if v < fine {
		return int(v)
	}
	shift := bits.Len64(v) - fineBits - 1
	return shift<<fineBits + int(v>>shift)
}

// valueOf is the middle of what a slot counts.
func valueOf(slot int) uint64 {
	if slot < fine {
		return uint64(slot)
	}
	shift := slot>>fineBits - 1
	low := uint64(slot-shift<<fineBits) << shift
	return low + 1<<shift/2
}

// total is how many were added.
func (h *histogram) total() (n uint64) {
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// at is the value that the share q of all is not above; 0 if there is none.
func (h *histogram) at(q float64) time.Duration {
	n := h.total()
	if n == 0 {
		return 0
	}
	rank := max(uint64(q*float64(n)+0.5), 1)
	if rank >= n {
		return time.Duration(h.max.Load())
	}
	var seen uint64
	for i := range h.counts {
		if seen += h.counts[i].Load(); seen >= rank {
			return min(time.Duration(valueOf(i)), time.Duration(h.max.Load()))
		}
	}
	return time.Duration(h.max.Load())
}

// Latency says how long things took. Each value is right to 1.6 %.
type Latency struct {
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p999_ns"`
	Max  time.Duration `json:"max_ns"`
}

func (h *histogram) latency() Latency {
	return Latency{h.at(0.5), h.at(0.9), h.at(0.99), h.at(0.999), time.Duration(h.max.Load())}
}
