package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookferry/hookferry/internal/event"
)

// The channels that nodes tell each other things on. What is said there may be
// lost at any time: whoever listens looks for himself every now and then, too.
const (
	dueChannel     = "hookferry_due"          // something is due and held by nobody
	changedChannel = "hookferry_subscription" // the subscription whose id it says has changed
	echoChannel    = "hookferry_echo"         // whoever said it wants to hear it
)

const (
	// hintPause is the least time between two hints: a notification makes commits
	// wait for each other, so it is not sent for every one of them.
	hintPause = 5 * time.Millisecond
	// listenAlive is how often a node makes sure that it hears, listenEcho how long
	// that may take.
	listenAlive = 15 * time.Second
	listenEcho  = time.Second
	// listenPause is how long a lost connection is left alone, and deafTurns how many
	// such pauses one through which nothing can be heard.
	listenPause = time.Second
	deafTurns   = 30
)

// errDeaf: a PgBouncer that pools transactions takes LISTEN, and gives what is then
// said to nobody.
var errDeaf = errors.New("the connection hears nothing: it goes through a pooler whose clients share connections")

// Listen calls due when something may be due that nobody holds, and changed with
// the id of a subscription that another node, or this one, has changed. The calls
// must not block. It returns nil when ctx ends.
//
// It connects again by itself. As long as it hears nothing, though the database
// answers, it calls both every second, changed with a zero id, which means that any may
// have changed: what is said meanwhile is lost, and a node must not go by an old
// subscription for ever. It does so once more when it hears again.
func (s *Store) Listen(ctx context.Context, due func(), changed func(event.ID)) error {
	for ctx.Err() == nil {
		turns := 1
		if err := s.listenOnce(ctx, due, changed); errors.Is(err, errDeaf) {
			turns = deafTurns
		}
		for ; turns > 0 && ctx.Err() == nil; turns-- {
			select {
			case <-ctx.Done():
			case <-time.After(listenPause):
			}
			if s.Ping(ctx) == nil {
				due()
				changed(event.ID{})
			}
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
	if err := listenOn(ctx, conn, dueChannel, changedChannel, echoChannel); err != nil {
		return err
	}
	due()
	changed(event.ID{})
	l := listener{conn: conn, due: due, changed: changed, echo: rand.Text()}
	for {
		// Said on another connection: what this one says itself may come back even
		// where nothing else does.
		if err := say(ctx, s.pool, echoChannel, l.echo); err != nil {
			return err
		}
		heard, err := l.hear(ctx, listenEcho)
		if err != nil {
			return err
		}
		if !heard {
			return unlisten(ctx, conn)
		}
		if _, err := l.hear(ctx, listenAlive); err != nil {
			return err
		}
	}
}

func listenOn(ctx context.Context, conn *pgx.Conn, channels ...string) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	for _, channel := range channels {
		_, err := conn.Exec(ctx, "LISTEN "+channel)
		if sqlState(err) != "" {
			return fmt.Errorf("%w: %w", errDeaf, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unlisten leaves a pooler's connection as it was: it will be another client's.
func unlisten(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	_, _ = conn.Exec(ctx, "UNLISTEN *")
	return errDeaf
}

// listener is a connection that listens.
type listener struct {
	conn    *pgx.Conn
	due     func()
	changed func(event.ID)
	echo    string
}

// hear listens for a while, and at most until the echo comes.
func (l *listener) hear(ctx context.Context, while time.Duration) (echo bool, err error) {
	silence, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	for {
		n, err := l.conn.WaitForNotification(silence)
		switch {
		case err != nil && ctx.Err() == nil && silence.Err() != nil && !l.conn.IsClosed():
			return false, nil
		case err != nil:
			return false, err
		case n.Channel == echoChannel && n.Payload == l.echo:
			return true, nil
		case n.Channel == dueChannel:
			l.due()
		case n.Channel == changedChannel:
			id, err := event.ParseID(n.Payload)
			if err != nil {
				id = event.ID{}
			}
			l.changed(id)
		}
	}
}

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

func (h *hints) send() { _ = say(context.Background(), h.pool, dueChannel, "") }

// say doesn't wait for the disk: there is nothing to keep.
func say(ctx context.Context, pool *pgxpool.Pool, channel, what string) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	_, err := pool.Exec(ctx, `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`, channel, what)
	return err
}

func (h *hints) stop() {
	if h.over.CompareAndSwap(false, true) {
		close(h.quit)
	}
	<-h.ended
}
