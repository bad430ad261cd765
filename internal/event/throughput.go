package event

import "time"

const (
	// throughputWindow is the time over which a throughput is measured.
	throughputWindow = 100 * time.Millisecond
	// throughputLasts is how long a throughput counts after the start of its last window.
	throughputLasts = 4 * throughputWindow
)

// Throughput measures deliveries per second. The zero value is ready for use.
type Throughput struct {
	perSecond   float64   // of the last complete window
	windowStart time.Time // of the current window
	inWindow    int
}

// Add counts n deliveries.
func (t *Throughput) Add(now time.Time, n int) {
	switch took := now.Sub(t.windowStart); {
	case took > throughputLasts: // it has been idle
		t.windowStart, t.inWindow, t.perSecond = now, 0, 0
	case took >= throughputWindow:
		t.perSecond = float64(t.inWindow) / took.Seconds()
		t.windowStart, t.inWindow = now, 0
	}
	t.inWindow += n
}

// PerSecond returns the throughput of the last complete window, or 0 if that is long ago.
func (t *Throughput) PerSecond(now time.Time) float64 {
	if now.Sub(t.windowStart) > throughputLasts {
		return 0
	}
	return t.perSecond
}
