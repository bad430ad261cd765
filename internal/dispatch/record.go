package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
)

const (
	// recordMost is how many settlements are recorded at once.
	recordMost = 512
	// unrecordedMost is how many may wait. Whoever adds one more waits: a store that
	// is away stops the attempts, instead of filling memory with their outcomes.
	unrecordedMost = 4096
	// recordAgain is the pause after a failure, and lastTries how many failures in a
	// row are the end once the dispatcher is to stop.
	recordAgain = 200 * time.Millisecond
	lastTries   = 25
	// gatherEnough outcomes are written without waiting for more; see Options.Gather.
	gatherEnough = 64
)

// recorderOptions are what a recorder needs of the dispatcher.
type recorderOptions struct {
	// record writes settlements to the store, all or none.
	record func(ctx context.Context, settlements []event.Settlement) error
	// recorded is called once outcomes are in the store.
	recorded func(done []recorded)
	// release makes deliveries due again in the store.
	release func(list []*work)
	log     *slog.Logger
	gather  time.Duration // see Options.Gather
}

// recorder writes outcomes to the store: whatever has come together while the last
// write was under way goes into the next.
type recorder struct {
	o recorderOptions
	// What is being written, in memory that is used again: by run alone. A store keeps
	// nothing of what it is given.
	done        []recorded
	settlements []event.Settlement

	mu       sync.Mutex
	changed  *sync.Cond
	waiting  []recorded
	released []*work
	open     bool // no bound: no attempts will follow those under way
	stopping bool
	failures int // in a row, since it is to stop
}

type recorded struct {
	work       *work
	settlement event.Settlement
}

func newRecorder(o recorderOptions) *recorder {
	r := &recorder{o: o}
	r.changed = sync.NewCond(&r.mu)
	return r
}

// add has an outcome recorded. The lease is kept until it is.
func (r *recorder) add(w *work, s event.Settlement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.waiting) >= unrecordedMost && !r.open {
		r.changed.Wait()
	}
	r.waiting = append(r.waiting, recorded{w, s})
	r.changed.Broadcast()
}

// release makes deliveries due again in the store, without an attempt. Their leases are
// kept until that is done: ended late, one would be taken from whoever has claimed the
// delivery since.
func (r *recorder) release(list ...*work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.released = append(r.released, list...)
	r.changed.Broadcast()
}

// unbound lets everyone through who waits to add an outcome.
func (r *recorder) unbound() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = true
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
		released, ok := r.take()
		if !ok || !r.write(released) {
			return
		}
		clear(r.done)
		clear(r.settlements)
	}
}

// take waits for something to write; ok is false when there will be nothing more.
func (r *recorder) take() (released []*work, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.waiting) == 0 && len(r.released) == 0 {
		if r.stopping {
			return nil, false
		}
		r.changed.Wait()
	}
	if r.o.gather > 0 && len(r.waiting) < gatherEnough && len(r.released) == 0 && !r.stopping {
		r.mu.Unlock()
		time.Sleep(r.o.gather)
		r.mu.Lock()
	}
	n := min(len(r.waiting), recordMost)
	r.done = append(r.done[:0], r.waiting[:n]...)
	rest := copy(r.waiting, r.waiting[n:])
	clear(r.waiting[rest:])
	r.waiting = r.waiting[:rest]
	released, r.released = r.released, nil
	r.changed.Broadcast()
	return released, true
}

// write reports false if it gave up.
func (r *recorder) write(released []*work) bool {
	r.settlements = r.settlements[:0]
	for i := range r.done {
		r.settlements = append(r.settlements, r.done[i].settlement)
	}
	for len(r.settlements) > 0 {
		err := r.record(r.settlements)
		if err == nil {
			r.failures = 0
			break
		}
		if r.failures%lastTries == 0 { // some seconds apart: the log may be on the disk that is full
			r.o.log.Error("could not record attempts that were made; they are kept and tried again", "error", err, "attempts", len(r.settlements))
		}
		if r.giveUp() {
			return false // their leases run out, and they are attempted again
		}
	}
	r.o.recorded(r.done)
	if len(released) > 0 {
		r.o.release(released)
	}
	return true
}

// record writes settlements, all in one. Where the store refuses them for another
// reason than that it is away, it writes one by one, so that one it can't keep does not
// keep the others from the disk, and that one without the receiver's words.
func (r *recorder) record(settlements []event.Settlement) error {
	faultpoint.Reach("dispatch: recording")
	err := r.o.record(context.Background(), settlements)
	faultpoint.Reach("dispatch: recorded")
	if err == nil || errors.Is(err, event.ErrUnavailable) {
		return err
	}
	for _, s := range settlements {
		err := r.o.record(context.Background(), []event.Settlement{s})
		if err == nil {
			continue
		}
		if !errors.Is(err, event.ErrUnavailable) {
			r.o.log.Error("the store refuses the record of an attempt; recording it without the receiver's words", "error", err, "delivery", s.Delivery.ID.String())
			err = r.o.record(context.Background(), []event.Settlement{withoutWords(s)})
		}
		if errors.Is(err, event.ErrUnavailable) {
			return err
		}
		if err != nil {
			r.o.log.Error("the store refuses that, too: the attempt is not on record, and will be made again", "error", err, "delivery", s.Delivery.ID.String())
		}
	}
	return nil
}

// withoutWords is a settlement with nothing in it that came from outside, but the status.
func withoutWords(s event.Settlement) event.Settlement {
	o := &s.Attempt.Outcome
	o.Peer, o.Response = "", nil
	if !o.Success() {
		o.Error = "the attempt failed in a way that could not be put on record in words"
	}
	return s
}

// giveUp pauses after a failed try, and reports whether it was the last.
func (r *recorder) giveUp() bool {
	time.Sleep(recordAgain)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		r.failures++
	}
	return r.failures >= lastTries
}
