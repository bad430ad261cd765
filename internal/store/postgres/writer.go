package postgres

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// commitRows and commitBytes limit the rows and the payloads of one commit.
	commitRows  = 256
	commitBytes = 8 << 20
	// queueTime is how long an operation waits for its turn, and commitTime is how long a
	// commit may take. So a request gets its response within the sum of both, even if the
	// database does not respond.
	queueTime  = 1500 * time.Millisecond
	commitTime = 3 * time.Second
)

// errClosed is the error of a call after Close.
var errClosed = fmt.Errorf("%w: the database is closed", event.ErrUnavailable)

// errBusy is the error of an operation that got no turn within queueTime.
var errBusy = fmt.Errorf("%w: the database's writers were busy for %v: the database is unreachable or too slow", event.ErrUnavailable, queueTime)

// op is one operation to write: an acceptance or settlements.
type op struct {
	acceptance  event.Acceptance
	receipt     event.Receipt
	keyHash     []byte             // the body hash that its idempotency key had before; nil if the key was new
	settlements []event.Settlement // nil for an acceptance
	strays      bool               // some settlements of its commit, maybe its own, are not written yet
	state       atomic.Int32
	err         error
	done        chan struct{} // receives a value once the transaction is on disk or has failed
}

// The states of an op. The caller can withdraw an op that is waiting, but not one that is in a commit.
const (
	waiting int32 = iota
	taken
	withdrawn
)

func (o *op) rows() int { return max(1, len(o.settlements), len(o.acceptance.Deliveries)) }

// fresh reports whether the op is an acceptance that is still to be stored.
func (o *op) fresh() bool {
	return o.settlements == nil && o.err == nil && !o.receipt.Replayed
}

// ingested reports whether the op is an event for one subscription that is still to be stored.
func (o *op) ingested() bool { return o.fresh() && !o.acceptance.Published }

// writer groups operations into commits. It has no timer and no fixed batch size: while one
// commit is under way, operations queue up for the next one. A second commit runs in parallel
// only if a full batch has queued up, because a few large commits cost much less than many
// small ones.
type writer struct {
	pool     *pgxpool.Pool
	store    *Store
	ops      chan *op
	ended    chan struct{} // receives a value for each commit that has ended
	quit     chan struct{} // closed by stop: no more operations are accepted
	stopOnce sync.Once
	finished chan struct{} // closed when everything is written
	onCommit func(rows int, took time.Duration)
	latest   atomic.Pointer[writes] // the statements of the last commit
}

func startWriter(pool *pgxpool.Pool, s *Store, onCommit func(int, time.Duration)) *writer {
	w := &writer{
		pool: pool, store: s, ops: make(chan *op, 4*commitRows), onCommit: onCommit,
		ended: make(chan struct{}), quit: make(chan struct{}), finished: make(chan struct{}),
	}
	go w.run(int(pool.Config().MaxConns))
	return w
}

// write queues an operation and returns when it is on disk. If ctx ends or queueTime has passed
// before its turn comes, the operation is withdrawn and has changed nothing.
func (w *writer) write(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.done = make(chan struct{}, 1)
	select {
	case <-w.quit:
		return errClosed
	default:
	}
	turn := time.NewTimer(queueTime)
	defer turn.Stop()
	select {
	case w.ops <- o:
	case <-ctx.Done():
		return ctx.Err()
	case <-turn.C:
		return errBusy
	case <-w.quit:
		return errClosed
	}
	gaveUp := ctx.Done()
	for {
		var err error
		select {
		case <-o.done:
			return o.err
		case <-gaveUp:
			err, gaveUp = ctx.Err(), nil
		case <-turn.C:
			err = errBusy
		case <-w.finished:
			select { // it may have been in the last commit
			case <-o.done:
				return o.err
			default:
				return errClosed
			}
		}
		if o.state.CompareAndSwap(waiting, withdrawn) {
			return err
		}
	}
}

func (w *writer) stop() {
	w.stopOnce.Do(func() { close(w.quit) })
	<-w.finished
	w.pool.Close()
}

// run gathers operations and starts commits, at most parallel of them at once.
func (w *writer) run(parallel int) {
	defer close(w.finished)
	var b batch
	underWay := 0
	for quit := w.quit; ; {
		if len(b.ops) > 0 && underWay == 0 || b.full() && underWay < parallel {
			w.gather(&b)
			underWay++
			go w.commitAll(b.ops)
			b = batch{}
			continue
		}
		if quit == nil && len(b.ops) == 0 && len(w.ops) == 0 && underWay == 0 {
			return
		}
		in := w.ops
		if b.full() {
			in = nil
		}
		select {
		case o := <-in:
			b.add(o)
		case <-w.ended:
			underWay--
		case <-quit:
			quit = nil
		}
	}
}

// gather adds the queued operations to a batch.
func (w *writer) gather(b *batch) {
	for !b.full() {
		select {
		case o := <-w.ops:
			b.add(o)
		default:
			return
		}
	}
}

// batch is the operations of one commit.
type batch struct {
	ops         []*op
	rows, bytes int
}

func (b *batch) add(o *op) {
	b.ops = append(b.ops, o)
	b.rows += o.rows()
	b.bytes += len(o.acceptance.Event.Payload)
}

func (b *batch) full() bool { return b.rows >= commitRows || b.bytes >= commitBytes }

// commitAll commits the operations that were not withdrawn.
func (w *writer) commitAll(ops []*op) {
	ops = slices.DeleteFunc(ops, func(o *op) bool { return !o.state.CompareAndSwap(waiting, taken) })
	if len(ops) > 0 {
		w.commit(ops)
	}
	w.ended <- struct{}{}
}

// commit writes a batch in one transaction. If the database refuses a row, each operation
// gets its own transaction, so that only the one at fault fails.
func (w *writer) commit(batch []*op) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), commitTime)
	defer cancel()
	err := w.transact(ctx, batch)
	if isDataError(err) && len(batch) > 1 {
		for _, o := range batch {
			if err := w.transact(ctx, []*op{o}); err != nil {
				o.err = fail("write to the database", err)
			}
		}
		err = nil
	} else if err == nil && w.onCommit != nil {
		rows := 0
		for _, o := range batch {
			rows += o.rows()
		}
		w.onCommit(rows, time.Since(start))
	}
	err = fail("write to the database", err)
	w.store.diskSpace.Wrote(err)
	var strays []*op
	for _, o := range batch {
		if err != nil {
			o.err = err
		}
		if o.strays && o.err == nil {
			strays = append(strays, o)
			continue
		}
		o.done <- struct{}{}
	}
	w.recordStrays(ctx, strays)
}

// transact writes a batch, and creates partitions if they are missing. If it returns an
// error, nothing was written. The error of an operation that a rule refused is in the
// operation.
func (w *writer) transact(ctx context.Context, batch []*op) error {
	madePartitions := false
	return retry(ctx, func() error {
		err := w.try(ctx, batch)
		if isNoPartition(err) && !madePartitions {
			madePartitions = true
			if err := w.store.ensureWindows(ctx, windowsOf(batch)); err != nil {
				return err
			}
			err = w.try(ctx, batch)
		}
		return err
	})
}

func (w *writer) try(ctx context.Context, batch []*op) error {
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	t := &transaction{conn: conn.Conn(), clock: w.store.clock, next: &pgx.Batch{}, in: w.writesFor(batch)}
	if err := t.write(ctx, batch); err != nil {
		t.rollback(ctx)
		return err
	}
	w.store.hints.hintDue(t.stored > 0)
	for _, o := range batch {
		o.strays = t.strays && o.settlements != nil
	}
	return nil
}

// recordStrays writes the settlements that did not pass the fence. That is rare: a lease was
// lost, or an operator cancelled or resent a delivery during an attempt. The rest of the batch
// is already on disk, and its publishers have their responses.
func (w *writer) recordStrays(ctx context.Context, ops []*op) {
	for _, o := range ops {
		o.err = w.store.recordStrays(ctx, o.settlements)
		o.done <- struct{}{}
	}
}
