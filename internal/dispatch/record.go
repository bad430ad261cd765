package dispatch

import (
	"context"
	"sync"
	"time"

	"hookferry/internal/event"
)

const (
	// recordMost is how many settlements are recorded at once.
	recordMost = 512
	// unrecordedMost is how many may wait. Whoever adds one more waits: a store that
	// is away stops the attempts, instead of filling memory with their outcomes.
	unrecordedMost = 4096
	// recordAgain is the pause after a failure, and lastTries how many there are
	// once the dispatcher is to stop.
	recordAgain = 200 * time.Millisecond
	lastTries   = 25
)

// recorder writes outcomes to the store: whatever has come together while the last
// write was under way goes into the next.
type recorder struct {
	d *Dispatcher

	mu       sync.Mutex
	changed  *sync.Cond
	waiting  []recorded
	released []*work
	stopping bool
}

type recorded struct {
	work       *work
	settlement event.Settlement
}

func newRecorder(d *Dispatcher) *recorder {
	r := &recorder{d: d}
	r.changed = sync.NewCond(&r.mu)
	return r
}

// add has an outcome recorded. The lease is kept until it is.
func (r *recorder) add(w *work, s event.Settlement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.waiting) >= unrecordedMost && !r.stopping {
		r.changed.Wait()
	}
	r.waiting = append(r.waiting, recorded{w, s})
	r.changed.Broadcast()
}

// release has a delivery's lease ended without an attempt.
func (r *recorder) release(w *work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.released = append(r.released, w)
	r.changed.Broadcast()
}

// stop makes run return once everything is written.
func (r *recorder) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopping = true
	r.changed.Broadcast()
}

func (r *recorder) run() {
	for {
		done, released, ok := r.take()
		if !ok {
			return
		}
		r.write(done, released)
	}
}

// take waits for something to write; ok is false when there will be nothing more.
func (r *recorder) take() (done []recorded, released []*work, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.waiting) == 0 && len(r.released) == 0 {
		if r.stopping {
			return nil, nil, false
		}
		r.changed.Wait()
	}
	n := min(len(r.waiting), recordMost)
	done = append(done, r.waiting[:n]...)
	rest := copy(r.waiting, r.waiting[n:])
	clear(r.waiting[rest:])
	r.waiting = r.waiting[:rest]
	released, r.released = r.released, nil
	r.changed.Broadcast()
	return done, released, true
}

func (r *recorder) write(done []recorded, released []*work) {
	settlements := make([]event.Settlement, len(done))
	for i := range done {
		settlements[i] = done[i].settlement
	}
	for tries := 1; len(settlements) > 0; tries++ {
		err := r.d.o.Store.Record(context.Background(), settlements)
		if err == nil {
			break
		}
		r.d.o.Log.Error("could not record attempts that were made; they are kept and tried again", "error", err, "attempts", len(settlements))
		if r.giveUp(tries) {
			return // their leases run out, and they are attempted again
		}
	}
	r.d.recordedAll(done)
	if len(released) == 0 {
		return
	}
	if err := r.d.o.Store.Release(context.Background(), r.d.o.Node, ids(released)); err != nil {
		r.d.o.Log.Error("could not release leases; they run out by themselves", "error", err, "deliveries", len(released))
	}
}

// giveUp pauses after a failed try, and reports whether it was the last.
func (r *recorder) giveUp(tries int) bool {
	time.Sleep(recordAgain)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopping && tries >= lastTries
}

// recordedAll forgets deliveries whose outcome is on disk, and sees to it that
// retries are claimed when they are due.
func (d *Dispatcher) recordedAll(done []recorded) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range done {
		d.held.remove(done[i].work)
		if done[i].settlement.Delivery.Status == event.Pending {
			d.hint() // Run asks the store when the next one is due
		}
	}
}
