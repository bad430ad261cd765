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
	// maxRecord is how many settlements are recorded at once.
	maxRecord = 512
	// maxUnrecorded is how many settlements may wait to be recorded. Adding one more blocks, so
	// that attempts stop while the store is unavailable, instead of filling memory with
	// outcomes.
	maxUnrecorded = 4096
	// recordRetryInterval is the pause after a failure. While stopping, the recorder gives up
	// after maxFailures failures in a row.
	recordRetryInterval = 200 * time.Millisecond
	maxFailures         = 25
	// failureLogInterval is the shortest time between two log lines about failures. It is long
	// because the log may be on the full disk.
	failureLogInterval = 5 * time.Second
	// enoughToRecord is how many outcomes make the recorder write without waiting for more; see
	// Options.Gather.
	enoughToRecord = 64
)

// recorderOptions configure a recorder.
type recorderOptions struct {
	// record writes settlements to the store, all or none of them.
	record func(ctx context.Context, settlements []event.Settlement) error
	// recorded is called once outcomes are in the store.
	recorded func(done []recorded)
	// release makes deliveries due again in the store.
	release func(list []*work)
	log     *slog.Logger
	gather  time.Duration // see Options.Gather
}

// recorder writes outcomes to the store. Outcomes that arrive during one write are written
// together by the next one.
type recorder struct {
	o recorderOptions
	// batch and settlements are what run is writing. Their memory is reused, because a store
	// does not retain them.
	batch       []recorded
	settlements []event.Settlement

	failureLogged time.Time // when it last logged a failure; only run uses it

	mu         sync.Mutex
	changed    *sync.Cond
	unrecorded []recorded
	released   []*work
	unbounded  bool // maxUnrecorded does not apply, because no new attempts will start
	stopping   bool
	failures   int // in a row, since stop was called
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

// add queues an outcome to be recorded, and deliveries to be released after that. Their leases
// are renewed until that is done.
func (r *recorder) add(w *work, s event.Settlement, released ...*work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.unrecorded) >= maxUnrecorded && !r.unbounded {
		r.changed.Wait()
	}
	r.unrecorded = append(r.unrecorded, recorded{w, s})
	r.released = append(r.released, released...)
	r.changed.Broadcast()
}

// addNow queues an outcome like add, but never blocks. It is for deliveries that Run itself
// settles, at most those of one claim at a time.
func (r *recorder) addNow(w *work, s event.Settlement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unrecorded = append(r.unrecorded, recorded{w, s})
	r.changed.Broadcast()
}

// release queues deliveries to be made due again in the store, without an attempt. Their
// leases are renewed until that is done.
func (r *recorder) release(list ...*work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.released = append(r.released, list...)
	r.changed.Broadcast()
}

// removeBound makes add stop blocking.
func (r *recorder) removeBound() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unbounded = true
	r.changed.Broadcast()
}

// stop makes run return once everything is written, or it has given up.
func (r *recorder) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopping = true
	r.changed.Broadcast()
}

func (r *recorder) run() {
	for {
		released, ok := r.nextBatch()
		if !ok || !r.write(released) {
			return
		}
		clear(r.batch)
		clear(r.settlements)
	}
}

// nextBatch waits for something to write. It returns false if there will be nothing more.
func (r *recorder) nextBatch() (released []*work, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.unrecorded) == 0 && len(r.released) == 0 {
		if r.stopping {
			return nil, false
		}
		r.changed.Wait()
	}
	if r.o.gather > 0 && len(r.unrecorded) < enoughToRecord && len(r.released) == 0 && !r.stopping {
		r.mu.Unlock()
		time.Sleep(r.o.gather)
		r.mu.Lock()
	}
	n := min(len(r.unrecorded), maxRecord)
	r.batch = append(r.batch[:0], r.unrecorded[:n]...)
	rest := copy(r.unrecorded, r.unrecorded[n:])
	clear(r.unrecorded[rest:])
	r.unrecorded = r.unrecorded[:rest]
	released, r.released = r.released, nil
	r.changed.Broadcast()
	return released, true
}

// write writes the batch and then makes released due again. It returns false if it has given up.
func (r *recorder) write(released []*work) bool {
	r.settlements = r.settlements[:0]
	for i := range r.batch {
		r.settlements = append(r.settlements, r.batch[i].settlement)
	}
	for len(r.settlements) > 0 {
		err := r.record(r.settlements)
		if err == nil {
			r.failures = 0
			break
		}
		r.logFailure(err)
		if r.pauseOrGiveUp() {
			return false // the leases run out, and another process makes the attempts again
		}
	}
	r.o.recorded(r.batch)
	if len(released) > 0 {
		r.o.release(released)
	}
	return true
}

// logFailure logs that a write failed, unless it has done so recently.
func (r *recorder) logFailure(err error) {
	if now := time.Now(); now.Sub(r.failureLogged) >= failureLogInterval {
		r.failureLogged = now
		r.o.log.Error("could not record attempts; their outcomes stay in memory and are written again", "error", err, "attempts", len(r.settlements))
	}
}

// record writes settlements together. If the store is available but refuses them, record writes
// them one by one, so that one bad settlement does not delay the others. It writes the bad one
// without the text that came from the endpoint.
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
			r.o.log.Error("the store refuses the record of an attempt; recording it without the endpoint's text", "error", err, "delivery", s.Delivery.ID.String())
			err = r.o.record(context.Background(), []event.Settlement{withoutText(s)})
		}
		if errors.Is(err, event.ErrUnavailable) {
			return err
		}
		if err != nil {
			r.o.log.Error("the store also refuses the record without the endpoint's text; the attempt is not on record and will be made again", "error", err, "delivery", s.Delivery.ID.String())
		}
	}
	return nil
}

// withoutText returns a settlement without the text that came from the endpoint. It keeps the
// status code.
func withoutText(s event.Settlement) event.Settlement {
	o := &s.Attempt.Outcome
	o.Peer, o.Response = "", nil
	if !o.Success() {
		o.Error = "the attempt failed; the database refused the text of the error"
	}
	return s
}

// pauseOrGiveUp pauses after a failed write. It returns true if the recorder must give up.
func (r *recorder) pauseOrGiveUp() bool {
	time.Sleep(recordRetryInterval)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		r.failures++
	}
	return r.failures >= maxFailures
}
