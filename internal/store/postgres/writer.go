package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hookferry/internal/event"
)

const (
	// commitRows bounds one commit, commitBytes the payloads in it.
	commitRows  = 256
	commitBytes = 8 << 20
	// queueTime is how long an operation waits for its turn, commitTime how long a
	// commit may take. A request is answered before their sum is over, whatever the
	// database does.
	queueTime  = 1500 * time.Millisecond
	commitTime = 3 * time.Second
)

// errClosed is what a call gets that comes after Close.
var errClosed = fmt.Errorf("%w: the database is closed", event.ErrUnavailable)

// errBusy is what a call gets whose turn did not come.
var errBusy = fmt.Errorf("%w: the writers of the database had no turn for it within %v: it is away, or too slow", event.ErrUnavailable, queueTime)

// op is one thing to be written: an acceptance, or settlements.
type op struct {
	acceptance  event.Acceptance
	receipt     event.Receipt
	keyHash     []byte             // the body's hash that its idempotency key stood for before; nil if it was free
	settlements []event.Settlement // nil: it is an acceptance
	state       atomic.Int32
	err         error
	done        chan struct{} // gets a value once the transaction is on disk, or has failed
}

// The states of an op. One that waits can be withdrawn by its caller, one that is
// taken can't.
const (
	waits int32 = iota
	taken
	withdrawn
)

func (o *op) rows() int { return max(1, len(o.settlements)) }

// fresh reports whether it is an acceptance that is still to be stored.
func (o *op) fresh() bool {
	return o.settlements == nil && o.err == nil && !o.receipt.Replayed
}

// writer is several goroutines that share one queue. There is no timer and no
// fixed batch: while one commit is under way, the next one's operations queue up.
type writer struct {
	pool     *pgxpool.Pool
	store    *Store
	ops      chan *op
	quit     chan struct{} // closed by stop: no more operations
	stopOnce sync.Once
	loops    sync.WaitGroup
	finished chan struct{} // closed when all loops have ended
	onCommit func(rows int, took time.Duration)
}

func startWriter(pool *pgxpool.Pool, s *Store, onCommit func(int, time.Duration)) *writer {
	w := &writer{
		pool: pool, store: s, ops: make(chan *op, 4*commitRows), onCommit: onCommit,
		quit: make(chan struct{}), finished: make(chan struct{}),
	}
	for range pool.Config().MaxConns {
		w.loops.Go(w.loop)
	}
	return w
}

// write queues an operation and returns when it is on disk. While it waits for its
// turn, it can be withdrawn; then nothing of it was done.
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
			select { // it may have been the last one done
			case <-o.done:
				return o.err
			default:
				return errClosed
			}
		}
		if o.state.CompareAndSwap(waits, withdrawn) {
			return err
		}
	}
}

func (w *writer) stop() {
	w.stopOnce.Do(func() {
		close(w.quit)
		w.loops.Wait()
		close(w.finished)
		w.pool.Close()
	})
	<-w.finished
}

func (w *writer) loop() {
	batch := make([]*op, 0, commitRows)
	for {
		batch = batch[:0]
		select {
		case o := <-w.ops:
			batch = w.gather(o, batch)
		case <-w.quit:
			select {
			case o := <-w.ops:
				batch = w.gather(o, batch)
			default:
				return
			}
		}
		if len(batch) > 0 {
			w.commit(batch)
		}
		clear(batch)
	}
}

// gather takes what has queued up.
func (w *writer) gather(o *op, batch []*op) []*op {
	rows, bytes := 0, 0
	for {
		if o.state.CompareAndSwap(waits, taken) {
			batch = append(batch, o)
			rows += o.rows()
			bytes += len(o.acceptance.Event.Payload)
		}
		if rows >= commitRows || bytes >= commitBytes {
			return batch
		}
		select {
		case o = <-w.ops:
		default:
			return batch
		}
	}
}

// commit does a batch in one transaction. If the database refuses a row, each
// operation gets a transaction of its own, so that only the one at fault fails.
func (w *writer) commit(batch []*op) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), commitTime)
	defer cancel()
	err := w.transact(ctx, batch)
	if isDataError(err) && len(batch) > 1 {
		for _, o := range batch {
			o.err = w.transact(ctx, []*op{o})
		}
		err = nil
	} else if err == nil && w.onCommit != nil {
		rows := 0
		for _, o := range batch {
			rows += o.rows()
		}
		w.onCommit(rows, time.Since(start))
	}
	for _, o := range batch {
		if err != nil {
			o.err = fail("write to the database", err)
		}
		o.done <- struct{}{}
	}
}

// transact returns an error if nothing of the batch is done. An operation that
// was refused by a rule has its error in itself.
func (w *writer) transact(ctx context.Context, batch []*op) error {
	madePartitions := false
	return again(ctx, func() error {
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
	t := &transaction{conn: conn.Conn(), next: &pgx.Batch{}}
	if err := t.write(ctx, batch); err != nil {
		t.rollback(ctx)
		return err
	}
	w.store.hints.hintDue(t.stored > 0)
	return nil
}
