package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// The channels that nodes tell each other things on. What is said there may be
// lost at any time: whoever listens looks for himself every now and then, too.
const (
	dueChannel     = "hookferry_due"          // something is due and held by nobody
	changedChannel = "hookferry_subscription" // the subscription whose id it says has changed
	behindChannel  = "hookferry_behind"       // a node is behind with the subscription whose id it says, or, with a minus before it, is not any more
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

// Listen passes on what nodes tell each other until ctx ends.
//
// It connects again by itself. As long as it hears nothing, though the database
// answers, it calls Due and Changed every second, Changed with a zero id, which means that
// any may have changed: what is said meanwhile is lost, and a node must not go by an old
// subscription for ever. It does so once more when it hears again.
func (s *Store) Listen(ctx context.Context, h store.Hints) error {
	for ctx.Err() == nil {
		turns := 1
		if err := s.listenOnce(ctx, h); errors.Is(err, errDeaf) {
			turns = deafTurns
		}
		for ; turns > 0 && ctx.Err() == nil; turns-- {
			select {
			case <-ctx.Done():
			case <-time.After(listenPause):
			}
			if s.Ping(ctx) == nil {
				h.Due()
				h.Changed(event.ID{})
			}
		}
	}
	return nil
}

func (s *Store) listenOnce(ctx context.Context, h store.Hints) error {
	conn, err := pgx.ConnectConfig(ctx, s.listen.Copy())
	if err != nil {
		return err
	}
	defer closeSoon(conn)
	if err := listenOn(ctx, conn, dueChannel, changedChannel, behindChannel, echoChannel); err != nil {
		return err
	}
	h.Due()
	h.Changed(event.ID{})
	l := listener{conn: conn, hints: h, echo: rand.Text()}
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
	conn  *pgx.Conn
	hints store.Hints
	echo  string
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
			l.hints.Due()
		case n.Channel == changedChannel:
			id, err := event.ParseID(n.Payload)
			if err != nil {
				id = event.ID{}
			}
			l.hints.Changed(id)
		case n.Channel == behindChannel:
			text, over := strings.CutPrefix(n.Payload, "-")
			if id, err := event.ParseID(text); err == nil {
				l.hints.Behind(id, !over)
			}
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

// hints tells all nodes what this one has to say, many things at once and none before what
// it is about is committed. A hint that fails is no loss: whoever listens looks by himself.
type hints struct {
	pool  *pgxpool.Pool
	wake  chan struct{}
	quit  chan struct{}
	ended chan struct{}
	over  atomic.Bool

	mu     sync.Mutex
	due    bool
	behind map[event.ID]bool // with what this node is behind, or no longer is; only what is to be said
}

func startHints(pool *pgxpool.Pool) *hints {
	h := &hints{pool: pool, wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}), behind: map[event.ID]bool{}}
	go h.run()
	return h
}

// hintDue never blocks.
func (h *hints) hintDue(really bool) {
	if really {
		h.hint(func() { h.due = true })
	}
}

// TellBehind tells all nodes whether this one is behind with a subscription. It never blocks.
func (s *Store) TellBehind(subscription event.ID, is bool) {
	s.hints.hint(func() { s.hints.behind[subscription] = is })
}

// hint notes what is to be said.
func (h *hints) hint(note func()) {
	h.mu.Lock()
	note()
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default: // it will be said along with what is to be said already
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

// send says what there is to say.
func (h *hints) send() {
	h.mu.Lock()
	due, behind := h.due, h.behind
	h.due, h.behind = false, map[event.ID]bool{}
	h.mu.Unlock()
	if due {
		_ = say(context.Background(), h.pool, dueChannel, "")
	}
	if len(behind) > 0 {
		_ = say(context.Background(), h.pool, behindChannel, payloadsOf(behind)...)
	}
}

func payloadsOf(behind map[event.ID]bool) (list []string) {
	for id, is := range behind {
		text := id.String()
		if !is {
			text = "-" + text
		}
		list = append(list, text)
	}
	return list
}

// say doesn't wait for the disk: there is nothing to keep.
func say(ctx context.Context, pool *pgxpool.Pool, channel string, what ...string) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	_, err := pool.Exec(ctx, `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, w) FROM unnest($2::text[]) AS w`, channel, texts(what))
	return err
}

func (h *hints) stop() {
	if h.over.CompareAndSwap(false, true) {
		close(h.quit)
	}
	<-h.ended
}
