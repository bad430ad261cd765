package redis

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
)

// heard is what a listener has received.
type heard struct {
	mu            sync.Mutex
	changed, full []event.ID
}

func (h *heard) onChange(id event.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed = append(h.changed, id)
}

func (h *heard) onFull(id event.ID) { h.mu.Lock(); defer h.mu.Unlock(); h.full = append(h.full, id) }

// forget returns what was received and clears it.
func (h *heard) forget() (changed, full []event.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed, full = h.changed, h.full
	h.changed, h.full = nil, nil
	return changed, full
}

func listenTo(t *testing.T, n *node, h *heard) (end func()) {
	t.Helper()
	return background(t, func(ctx context.Context) error { return n.Listen(ctx, h.onChange, h.onFull) })
}

func listen(t *testing.T, n *node) (h *heard, end func()) {
	t.Helper()
	h = &heard{}
	end = listenTo(t, n, h)
	h.wantZero(t)
	await.NoError(t, func() error { // it listens to the other notice, too
		channel := n.key(string(fullNotice))
		listeners, err := n.redis.PubSubNumSub(context.Background(), channel).Result()
		if err != nil || listeners[channel] == 0 {
			return fmt.Errorf("no node listens (%w)", err)
		}
		return nil
	})
	return h, end
}

// wantZero waits until a message says that any subscription may have changed.
func (h *heard) wantZero(t *testing.T) {
	t.Helper()
	await.NoError(t, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, id := range h.changed {
			if id.IsZero() {
				return nil
			}
		}
		return fmt.Errorf("no zero id among %v", h.changed)
	})
}

func TestListenEndsSoon(t *testing.T) {
	t.Parallel()
	_, end := listen(t, up(t, shared.URL()))
	begun := time.Now()
	end()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it continued for %v", took)
	}
}

func TestNoticesReachOthers(t *testing.T) {
	t.Parallel()
	near, far := up(t, shared.URL()), up(t, shared.URL())
	h, _ := listen(t, far)
	fastest := time.Hour
	for range 5 {
		id := event.NewID(time.Now())
		begun := time.Now()
		h.wantChanged(t, near, id)
		fastest = min(fastest, time.Since(begun))
	}
	if fastest > time.Second {
		t.Errorf("the fastest took %v", fastest)
	}
	h.forget()
	near.announce(fullNotice, theSub)
	await.NoError(t, func() error {
		changed, full := h.forget()
		if len(full) == 0 {
			return errNotYet
		}
		if len(full) != 1 || full[0] != theSub || slices.ContainsFunc(changed, isID) {
			t.Errorf("heard were %v and %v", changed, full)
		}
		return nil
	})
}

// isID reports whether a message is about one subscription, and not about all.
func isID(id event.ID) bool { return !id.IsZero() }

// wantChanged makes a node announce that a subscription has changed, and waits until that is
// received. It repeats the message, because messages may be lost.
func (h *heard) wantChanged(t *testing.T, n *node, id event.ID) {
	t.Helper()
	again := time.Now()
	await.NoError(t, func() error {
		if time.Now().After(again) {
			n.Changed(id)
			again = time.Now().Add(calm)
		}
		changed, full := h.forget()
		if !slices.ContainsFunc(changed, isID) {
			return errNotYet
		}
		if slices.ContainsFunc(changed, func(c event.ID) bool { return isID(c) && c != id }) || len(full) != 0 {
			t.Errorf("heard were %v and %v, want %v", changed, full, id)
		}
		return nil
	})
}

// A message that is not an id is ignored and breaks nothing.
func TestRubbishNotices(t *testing.T) {
	t.Parallel()
	n := up(t, shared.URL())
	h, _ := listen(t, n)
	h.forget()
	for _, payload := range []string{"", "rubbish", "\x00\xff", "018f-", theSub.String() + "0", theSub.String() + "\n"} {
		for _, channel := range []notice{changedNotice, fullNotice} {
			if err := n.redis.Publish(t.Context(), n.key(string(channel)), payload).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.wantChanged(t, n, event.ID{9}) // and nothing before that
}

// A silent connection is not taken for a broken one, because the server responds to a ping.
func TestSilenceIsNoBreak(t *testing.T) {
	t.Parallel()
	h, _ := listen(t, up(t, shared.URL()))
	await.NoError(t, func() error { // a busy machine may be silent for too long, but not always
		h.forget()
		pause(t.Context(), 4*pingEvery)
		if changed, _ := h.forget(); len(changed) > 0 {
			return fmt.Errorf("the connection was interrupted")
		}
		return nil
	})
}

func TestNoticesAfterABreak(t *testing.T) {
	t.Parallel()
	server := own(t)
	n := up(t, server.URL())
	h, _ := listen(t, n)
	for _, row := range []struct {
		why  string
		cut  func()
		back func()
	}{
		{"the connection is cut", func() { do(t, server, "CLIENT", "KILL", "TYPE", "pubsub") }, func() {}},
		{"Redis is restarted", server.Kill, func() {
			if err := server.Start(); err != nil {
				t.Error(err)
			}
		}},
		{"Redis hangs, and the connection stays open", server.Freeze, func() {
			pause(t.Context(), 3*pingEvery)
			server.Thaw()
		}},
	} {
		h.forget()
		row.cut()
		row.back()
		h.wantZero(t)
		n.wantUp(t, true)
		h.wantChanged(t, n, theSub)
		if t.Failed() {
			t.Fatal(row.why)
		}
	}
}
