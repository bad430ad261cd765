package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// fine is the number of equal parts of each power of two in a histogram: the error of a value is at
// most 1/fine of the value.
const (
	fineBits = 6
	fine     = 1 << fineBits
)

// histogram counts durations. It stores no single value, so its size does not depend on their
// number. It is safe for concurrent use.
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

// slotOf returns the slot of a value: its own slot if it is below fine, and otherwise that of a
// part of its power of two.
func slotOf(v uint64) int {
	if v < fine {
		return int(v)
	}
	shift := bits.Len64(v) - fineBits - 1
	return shift<<fineBits + int(v>>shift)
}

// valueOf returns the middle of a slot.
func valueOf(slot int) uint64 {
	if slot < fine {
		return uint64(slot)
	}
	shift := slot>>fineBits - 1
	low := uint64(slot-shift<<fineBits) << shift
	return low + 1<<shift/2
}

// total returns the number of values.
func (h *histogram) total() (n uint64) {
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// at returns the value that a share q of all values does not exceed, or 0 if there are none.
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

// Latency contains percentiles of durations. The error of each is at most 1.6 %.
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
