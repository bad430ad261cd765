package dispatch

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// shortPause is how long a delivery waits if this machine had no descriptor or memory
	// for it. It keeps its slot, which lowers concurrency to what the machine can handle.
	shortPause = time.Second
	// shortWarnInterval is the shortest time between two warnings.
	shortWarnInterval = 10 * time.Second
)

// pauseUnsent waits before a delivery for which nothing was sent is attempted again. If the
// dispatcher is stopping by then, it releases the delivery and returns false.
func (d *Dispatcher) pauseUnsent(w *work) bool {
	t := time.NewTimer(shortPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-d.attempts.Done():
	}
	d.mu.Lock()
	stopping := d.stopping
	d.mu.Unlock()
	if stopping {
		d.recorder.release(w)
	}
	return !stopping
}

// warnShort tells the operator what to do, once in shortWarnInterval.
func (d *Dispatcher) warnShort(o event.Outcome) {
	now := time.Now()
	d.mu.Lock()
	silent := now.Before(d.shortWarned.Add(shortWarnInterval))
	if !silent {
		d.shortWarned = now
	}
	d.mu.Unlock()
	if !silent {
		d.o.Log.ErrorContext(context.Background(), "this machine has no file descriptor or memory left for connections to endpoints: deliveries wait, and no attempt is counted. Raise the limit on open files (ulimit -n, LimitNOFILE=), or lower HOOKFERRY_MAX_IN_FLIGHT", "error", o.Error)
	}
}
