package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// commitRows limits the rows of one commit. A commit of that many rows takes about 5 ms,
// so a new request waits at most that long for the previous commit.
const commitRows = 512

// errClosed is the error of a call after Close.
var errClosed = fmt.Errorf("%w: the database is closed", event.ErrUnavailable)

// op is one operation inside a transaction. If run returns an error that isRefusal, it must have
// changed nothing, because the transaction continues without it.
type op struct {
	rows int
	run  func(*writer) error
	err  error
	done chan error // receives err once the transaction is on disk or has failed
}

// writer makes all changes to the database. It has no timer and no fixed batch size: while
// one commit is under way, operations queue up for the next one.
type writer struct {
	conn     *rawsqlite.Conn
	stmts    statements
	ops      chan *op
	spare    sync.Pool     // of *op
	quit     chan struct{} // closed by stop: no more operations are accepted
	finished chan struct{} // closed when the loop has ended
	stopOnce sync.Once
	closing  sync.Once
	onCommit func(rows int, took time.Duration)

	log         *rawsqlite.LogBuffer
	checkpoints *rawsqlite.Checkpointer

	living   map[event.ID]bool   // subscriptions that are known not to be deleted
	tenants  map[int64]tenantNow // by number, see tenantNow
	types    int64               // the version of the event types; 0 if it must be read
	implicit *implicitRows
	nextSeq  int64  // of the next event
	head     []byte // a buffer for checksum
	filedTo  int64  // the value in the table filed, or a later one
}

func startWriter(path string, o Options) (_ *writer, err error) {
	conn, err := rawsqlite.Open(path, "journal_mode = WAL", "synchronous = FULL", "cache_size = -16000", "wal_autocheckpoint = 0")
	if err != nil {
		return nil, err
	}
	w := &writer{
		conn: conn, ops: make(chan *op, 2*commitRows), onCommit: o.OnCommit,
		quit: make(chan struct{}), finished: make(chan struct{}),
		living: map[event.ID]bool{}, tenants: map[int64]tenantNow{}, implicit: &implicitRows{byID: map[event.ID]implicitRow{}},
	}
	w.spare.New = func() any { return &op{done: make(chan error, 1)} }
	if err := w.assertDurable(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if w.log, err = conn.GatherLog(); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the buffer for the log: %w", err), conn.Close())
	}
	if err := w.stmts.prepare(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if w.checkpoints, err = rawsqlite.StartCheckpointer(path, cmp.Or(o.LogSize, rawsqlite.DefaultLogSize)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	go w.loop()
	return w, nil
}

// assertDurable reads back the settings that make a commit durable, because SQLite silently
// ignores a pragma that it can't apply.
func (w *writer) assertDurable() error {
	var sync int
	var mode string
	if err := w.conn.Row("PRAGMA synchronous").Scan(&sync); err != nil {
		return err
	}
	if err := w.conn.Row("PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if sync != 2 || mode != "wal" {
		return fmt.Errorf("synchronous is %d and journal_mode is %q, but 2 and \"wal\" are needed: the file may be on a file system without shared memory", sync, mode)
	}
	return nil
}

// write runs f inside a transaction and returns when the transaction is on disk. Once f is
// queued, the end of ctx is ignored, because the outcome would be unknown.
func (s *Store) write(ctx context.Context, rows int, f func(*writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := s.writer
	o := w.spare.Get().(*op)
	o.rows, o.run, o.err = rows, f, nil
	select {
	case <-w.quit:
		return errClosed
	default:
	}
	select {
	case w.ops <- o:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.quit:
		return errClosed
	}
	select {
	case err := <-o.done:
		w.spare.Put(o)
		return err
	case <-w.finished:
		select { // it may have been in the last commit
		case err := <-o.done:
			return err
		default:
			return errClosed
		}
	}
}

func (w *writer) stop() {
	w.stopOnce.Do(func() { close(w.quit) })
	<-w.finished
}

// close closes the file. It is called after stop.
func (w *writer) close() (err error) {
	w.closing.Do(func() {
		w.checkpoints.Stop()
		err = w.conn.Close()
	})
	return err
}

func (w *writer) loop() {
	defer close(w.finished)
	batch := make([]*op, 0, commitRows)
	for {
		batch = batch[:0]
		select {
		case o := <-w.ops:
			for n := -1; len(w.ops) > n; {
				n = len(w.ops)
				runtime.Gosched() // callers that the last commit has woken may add operations to this one
			}
			batch = w.gather(append(batch, o))
		case <-w.quit:
			if batch = w.gather(batch); len(batch) == 0 {
				return
			}
		}
		w.commit(batch)
		clear(batch)
	}
}

// gather adds the queued operations to a batch.
func (w *writer) gather(batch []*op) []*op {
	rows := 0
	for _, o := range batch {
		rows += o.rows
	}
	for rows < commitRows && len(batch) < commitRows {
		select {
		case o := <-w.ops:
			batch = append(batch, o)
			rows += o.rows
		default:
			return batch
		}
	}
	return batch
}

// commit writes a batch in one transaction. If that fails, each operation gets its own
// transaction, so that only the one at fault fails.
func (w *writer) commit(batch []*op) {
	start := time.Now()
	err := w.transact(batch)
	if err != nil && len(batch) > 1 {
		for _, o := range batch {
			o.err = nil
			if err := w.transact([]*op{o}); err != nil {
				o.err = err
			}
		}
		err = nil
	}
	if w.onCommit != nil && err == nil {
		rows := 0
		for _, o := range batch {
			rows += o.rows
		}
		w.onCommit(rows, time.Since(start))
	}
	for _, o := range batch {
		if err != nil {
			o.err = err
		}
		o.run = nil
		o.done <- o.err
	}
	w.checkpoints.AfterCommit(w.conn, w.log.Size())
}

// transact runs a batch in one transaction. If it returns an error, nothing was written. The
// error of an operation that a rule refused is in the operation.
func (w *writer) transact(batch []*op) error {
	if _, err := w.stmts.begin.Exec(); err != nil {
		return unavailable("begin a transaction", err)
	}
	for _, o := range batch {
		if o.err = o.run(w); o.err != nil && !isRefusal(o.err) {
			w.rollBack()
			return unavailable("write to the database", o.err)
		}
	}
	faultpoint.Reach("store: committing")
	if _, err := w.stmts.commit.Exec(); err != nil {
		w.rollBack()
		return unavailable("commit to disk", err)
	}
	w.implicit.committed()
	faultpoint.Reach("store: committed")
	return nil
}

// refusedError is the error of a function of the caller that runs inside a transaction. The operation
// has changed nothing, and nothing is wrong with the database.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

func isRefusal(err error) bool {
	_, refused := errors.AsType[refusedError](err)
	return refused || store.IsRefusal(err)
}

func (w *writer) rollBack() {
	w.conn.DiscardInserts()
	w.stmts.rollback.Exec() // fails if SQLite has already rolled back by itself
	w.implicit.rolledBack()
	clear(w.living) // one may have been created by the transaction
	clear(w.tenants)
	w.types = 0
}
