package postgres

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hookferry/internal/event"
)

// The channels that nodes tell each other things on. What is said there may be
// lost at any time: whoever listens looks for himself every now and then, too.
const (
	dueChannel     = "hookferry_due"          // something is due and held by nobody
	changedChannel = "hookferry_subscription" // the subscription whose id it says has changed
)

const (
	// hintPause is the least time between two hints: a notification makes commits
	// wait for each other, so it is not sent for every one of them.
	hintPause = 5 * time.Millisecond
	// listenAlive is how often a silent connection is tried, listenPause how long
	// a lost one is left alone.
	listenAlive = 15 * time.Second
	listenPause = time.Second
)

// Listen calls due when something may be due that nobody holds, and changed with
// the id of a subscription that another node, or this one, has changed. It
// connects again by itself, and then calls both, changed with a zero id, which
// means that any may have changed: what was said meanwhile is lost. The calls must
// not block. It returns nil when ctx ends.
func (s *Store) Listen(ctx context.Context, due func(), changed func(event.ID)) error {
	for ctx.Err() == nil {
		_ = s.listenOnce(ctx, due, changed) // polling goes on meanwhile, and says what is wrong
		select {
		case <-ctx.Done():
		case <-time.After(listenPause):
		}
	}
	return nil
}

func (s *Store) listenOnce(ctx context.Context, due func(), changed func(event.ID)) error {
	conn, err := pgx.ConnectConfig(ctx, s.listen.Copy())
	if err != nil {
		return err
	}
	defer closeSoon(conn)
	for _, channel := range []string{dueChannel, changedChannel} {
		if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
			return err
		}
	}
	due()
	changed(event.ID{})
	for {
		n, err := waitFor(ctx, conn)
		switch {
		case err != nil:
			return err
		case n == nil: // nothing for a while
			continue
		case n.Channel == dueChannel:
			due()
		default:
			id, err := event.ParseID(n.Payload)
			if err != nil {
				id = event.ID{}
			}
			changed(id)
		}
	}
}

// waitFor returns nil where nothing came for a while and the connection is alive.
func waitFor(ctx context.Context, conn *pgx.Conn) (*notification, error) {
	silence, cancel := context.WithTimeout(ctx, listenAlive)
	defer cancel()
	n, err := conn.WaitForNotification(silence)
	if err == nil {
		return &notification{n.Channel, n.Payload}, nil
	}
	if ctx.Err() != nil || silence.Err() == nil || conn.IsClosed() {
		return nil, err
	}
	alive, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	return nil, conn.Ping(alive)
}

type notification struct{ Channel, Payload string }

func closeSoon(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// announceChange tells all nodes of a changed subscription, once it is committed.
func announceChange(ctx context.Context, tx pgx.Tx, id event.ID) error {
	_, err := tx.Exec(ctx, `SELECT pg_notify($1, $2)`, changedChannel, id.String())
	return err
}

// hints tells all nodes that something is due, after it was committed, and for
// many at once. A hint that fails is no loss: the claims look by themselves.
type hints struct {
	pool  *pgxpool.Pool
	wake  chan struct{}
	quit  chan struct{}
	ended chan struct{}
	over  atomic.Bool
}

func startHints(pool *pgxpool.Pool) *hints {
	h := &hints{pool: pool, wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{})}
	go h.run()
	return h
}

// hintDue never blocks.
func (h *hints) hintDue(really bool) {
	if !really {
		return
	}
	select {
	case h.wake <- struct{}{}:
	default: // one is on its way, and says the same
	}
}

func (h *hints) run() {
	defer close(h.ended)
	for {
		select {
		case <-h.wake:
			h.send()
		case <-h.quit:
			return
		}
		select {
		case <-time.After(hintPause):
		case <-h.quit:
			return
		}
	}
}

// send doesn't wait for the disk: there is nothing to keep.
func (h *hints) send() {
	ctx, cancel := context.WithTimeout(context.Background(), quick)
	defer cancel()
	_, _ = h.pool.Exec(ctx, `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, '')`, dueChannel)
}

func (h *hints) stop() {
	if h.over.CompareAndSwap(false, true) {
		close(h.quit)
	}
	<-h.ended
}
