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

// The channels on which nodes send each other hints. A hint may be lost at any time, so nodes
// also poll.
const (
	dueChannel     = "hookferry_due"          // deliveries are due that no node has leased
	changedChannel = "hookferry_subscription" // the subscription with the id in the payload has changed
	behindChannel  = "hookferry_behind"       // a node is behind with the subscription in the payload, or with a minus before the id, no longer behind
	echoChannel    = "hookferry_echo"         // a node tests whether it receives its own hints
)

const (
	// hintPause is the shortest time between two hints. A notification makes commits wait for
	// each other, so not every commit sends one.
	hintPause = 5 * time.Millisecond
	// listenAlive is the time between two tests whether a node receives hints, and listenEcho
	// is how long a test may take.
	listenAlive = 15 * time.Second
	listenEcho  = time.Second
	// listenPause is the pause before a node reconnects. If a connection has received nothing,
	// the node reconnects after deafPauses such pauses.
	listenPause = time.Second
	deafPauses  = 30
)

// errDeaf means that a connection accepts LISTEN but receives nothing, for instance through a
// PgBouncer that pools transactions.
var errDeaf = errors.New("the connection receives no notifications: it goes through a pooler whose clients share connections")

// Listen calls h with the hints of all nodes until ctx ends.
//
// It reconnects when necessary. While it receives nothing although the database responds, it
// calls Due and Changed every second, Changed with a zero id, which means any subscription:
// hints are lost meanwhile, and a node must not use an old subscription for long. It does so
// once more when it receives hints again.
func (s *Store) Listen(ctx context.Context, h store.Hints) error {
	for ctx.Err() == nil {
		turns := 1
		if err := s.listenOnce(ctx, h); errors.Is(err, errDeaf) {
			turns = deafPauses
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
		// The echo is sent on another connection: through a pooler, a connection may receive
		// its own notifications although it receives no others.
		if err := notify(ctx, s.pool, echoChannel, l.echo); err != nil {
			return err
		}
		heard, err := l.receive(ctx, listenEcho)
		if err != nil {
			return err
		}
		if !heard {
			return unlisten(ctx, conn)
		}
		if _, err := l.receive(ctx, listenAlive); err != nil {
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

// unlisten resets the connection, because another client of a pooler may use it next.
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

// receive handles hints for a while, or until the echo is received.
func (l *listener) receive(ctx context.Context, while time.Duration) (echo bool, err error) {
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

// announceChange tells all nodes that a subscription has changed. The hint is sent on commit.
func announceChange(ctx context.Context, tx pgx.Tx, id event.ID) error {
	_, err := tx.Exec(ctx, `SELECT pg_notify($1, $2)`, changedChannel, id.String())
	return err
}

// hints sends this node's hints to all nodes, several at a time and not before the commit that
// they are about. If sending fails, nothing is lost, because nodes also poll.
type hints struct {
	pool  *pgxpool.Pool
	wake  chan struct{}
	quit  chan struct{}
	ended chan struct{}
	over  atomic.Bool

	mu     sync.Mutex
	due    bool
	behind map[event.ID]bool // the hints to send: whether this node is behind with each subscription
}

func startHints(pool *pgxpool.Pool) *hints {
	h := &hints{pool: pool, wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}), behind: map[event.ID]bool{}}
	go h.run()
	return h
}

// hintDue sends the hint that deliveries are due, if condition is true. It never blocks.
func (h *hints) hintDue(condition bool) {
	if condition {
		h.hint(func() { h.due = true })
	}
}

// TellBehind tells all nodes whether this one is behind with a subscription. It never blocks.
func (s *Store) TellBehind(subscription event.ID, is bool) {
	s.hints.hint(func() { s.hints.behind[subscription] = is })
}

// hint records a hint to send.
func (h *hints) hint(note func()) {
	h.mu.Lock()
	note()
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default: // it is sent together with the hints that are already waiting
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

// send sends the recorded hints.
func (h *hints) send() {
	h.mu.Lock()
	due, behind := h.due, h.behind
	h.due, h.behind = false, map[event.ID]bool{}
	h.mu.Unlock()
	if due {
		_ = notify(context.Background(), h.pool, dueChannel, "")
	}
	if len(behind) > 0 {
		_ = notify(context.Background(), h.pool, behindChannel, payloadsOf(behind)...)
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

// notify sends notifications. It does not wait for the disk, because nothing is stored.
func notify(ctx context.Context, pool *pgxpool.Pool, channel string, what ...string) error {
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
