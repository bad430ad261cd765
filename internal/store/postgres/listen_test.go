package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/test/await"
)

// heard is the hints that a node has received.
type heard struct {
	mu      sync.Mutex
	due     int
	changed []event.ID
	behind  []behind
}

// behind is a hint that a node is behind with a subscription, or no longer is.
type behind struct {
	subscription event.ID
	is           bool
}

func (h *heard) listen(t *testing.T, s *postgres.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Listen(ctx, store.Hints{Due: func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.due++
		}, Changed: func(id event.ID) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changed = append(h.changed, id)
		}, Behind: func(id event.ID, is bool) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.behind = append(h.behind, behind{id, is})
		}})
	}()
	t.Cleanup(func() { cancel(); <-ended })
}

func (h *heard) take() (due int, changed []event.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	due, changed = h.due, h.changed
	h.due, h.changed = 0, nil
	return due, changed
}

func (h *heard) awaitDue(t *testing.T, what string) {
	t.Helper()
	await.NoError(t, func() error {
		if due, _ := h.take(); due == 0 {
			return fmt.Errorf("%s: the other node received no hint", what)
		}
		return nil
	})
}

func (h *heard) awaitChange(t *testing.T, what string, id event.ID) {
	t.Helper()
	await.NoError(t, func() error {
		if _, changed := h.take(); !slices.Contains(changed, id) {
			return fmt.Errorf("%s: the other node received hints for %v", what, changed)
		}
		return nil
	})
}

// awaitBehind waits until the last hint is the wanted one.
func (h *heard) awaitBehind(t *testing.T, want behind) {
	t.Helper()
	await.NoError(t, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if n := len(h.behind); n == 0 || h.behind[n-1] != want {
			return fmt.Errorf("the other node received %v, want %v as the last", h.behind, want)
		}
		return nil
	})
}

func TestNodesHearOfEachOther(t *testing.T) {
	server, here := own(t)
	there := open(t, postgres.Options{URL: server.URL("postgres")})
	var h heard
	h.listen(t, there)
	h.awaitChange(t, "at first, any subscription may have changed", event.ID{})
	now := time.Now()

	sub := subscribed(t, here)
	h.awaitChange(t, "a new subscription", sub.ID)
	d := accept(t, here, offer(sub.ID, now))
	h.awaitDue(t, "an event that is not leased")
	if _, err := here.Claim(t.Context(), event.ClaimRequest{Owner: "a", Now: now, Until: now, Limit: 1, Capacity: 1}); err != nil {
		t.Fatal(err)
	}
	if err := here.Release(t.Context(), []event.LeaseKey{{Delivery: d.ID, Owner: "a"}}); err != nil {
		t.Fatal(err)
	}
	h.awaitDue(t, "a released delivery")
	a := offer(sub.ID, now)
	a.Deliveries[0].LeaseOwner, a.Deliveries[0].LeasedUntil = "a", now
	accept(t, here, a)
	if n, err := here.Rescue(t.Context(), time.Time{}, now.Add(time.Minute)); err != nil || n != 1 {
		t.Fatalf("rescued %d, %v", n, err)
	}
	h.awaitDue(t, "a rescued delivery")
	if _, err := here.ReplaceSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	h.awaitChange(t, "a replaced subscription", sub.ID)
	gone := event.Settle(d, event.Outcome{StartedAt: now, Code: event.CodeGone, StatusCode: 410}, nil, now, 0.5)
	if err := here.Record(t.Context(), []event.Settlement{gone}); err != nil {
		t.Fatal(err)
	}
	h.awaitChange(t, "a subscription whose endpoint is gone", sub.ID)
	if err := here.DeleteSubscription(t.Context(), sub.ID, now, 0); err != nil {
		t.Fatal(err)
	}
	h.awaitChange(t, "a deleted subscription", sub.ID)
	for _, is := range []bool{true, false, true} {
		here.TellBehind(sub.ID, is)
		h.awaitBehind(t, behind{sub.ID, is})
	}

	server.Stop()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	h.awaitChange(t, "after a connection was lost", event.ID{})
	await.NoError(t, func() error {
		return here.CreateSubscription(t.Context(), event.Subscription{ID: event.NewID(now), CreatedAt: now, UpdatedAt: now})
	})
}

// pooler is a proxy in front of a server that treats LISTEN like a pooler.
type pooler struct {
	server  string
	deaf    bool // accepts LISTEN but passes no notification on, as PgBouncer does; otherwise it refuses LISTEN
	listens atomic.Int64
}

// start returns the address.
func (p *pooler) start(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return l.Addr().String()
}

func (p *pooler) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer client.Close()
		_, _ = io.Copy(client, server)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		said := buf[:n]
		if bytes.Contains(said, []byte("LISTEN hookferry_due")) {
			p.listens.Add(1)
			if !p.deaf {
				refusal := &pgproto3.ErrorResponse{Severity: "FATAL", Code: "0A000", Message: "LISTEN is not supported"}
				if b, err := refusal.Encode(nil); err == nil {
					_, _ = client.Write(b)
				}
				return
			}
		}
		said = bytes.ReplaceAll(said, []byte("LISTEN hookferry"), []byte("NOTIFY hookferry")) // a replacement of the same length
		if _, err := server.Write(said); err != nil {
			return
		}
	}
}

// Behind a pooler that passes no notifications on, a node polls every second.
func TestWithoutListen(t *testing.T) {
	t.Parallel()
	for name, deaf := range map[string]bool{"LISTEN is refused": false, "LISTEN is accepted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := server.Database(t, template)
			u, err := url.Parse(direct)
			if err != nil {
				t.Fatal(err)
			}
			p := &pooler{server: u.Host, deaf: deaf}
			u.Host = p.start(t)
			here, there := open(t, postgres.Options{URL: direct}), open(t, postgres.Options{URL: u.String()})
			start := time.Now()
			var h heard
			h.listen(t, there)
			const turns = 3
			for range turns {
				d := accept(t, here, offer(subscribed(t, here).ID, time.Now()))
				h.take()
				h.awaitDue(t, "an event that is not leased")
				h.awaitChange(t, "any subscription may have changed", event.ID{})
				now := time.Now()
				claim, err := there.Claim(t.Context(), event.ClaimRequest{Owner: "a", Now: now, Until: now.Add(time.Minute), Limit: 1, Capacity: 1})
				if err != nil || len(claim.Deliveries) != 1 || claim.Deliveries[0].Delivery.ID != d.ID {
					t.Errorf("claimed %+v, %v; want the due delivery", claim, err)
				}
			}
			if took, n := time.Since(start), p.listens.Load(); n > 1+int64(took/(20*time.Second)) {
				t.Errorf("it tried to listen %d times in %v, want a long pause in between", n, took)
			}
		})
	}
}

// A replica that lags behind is simulated by another database with less in it.
func TestReadsGoToTheReplica(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	primary := open(t, postgres.Options{URL: url})
	sub := subscribed(t, primary)
	old := accept(t, primary, offer(sub.ID, time.Now()))
	name, err := server.Create(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	behind := open(t, postgres.Options{URL: server.URL(name)})
	lagging := sub
	lagging.Description = "as the replica has it"
	if err := behind.CreateSubscription(t.Context(), lagging); err != nil {
		t.Fatal(err)
	}
	a := offer(sub.ID, time.Now())
	a.Event.Type = "on.replica"
	onReplica := accept(t, behind, a)

	s := open(t, postgres.Options{URL: url, ReadURL: server.URL(name)})
	if got, err := s.Delivery(t.Context(), onReplica.ID); err != nil || got.EventType != "on.replica" {
		t.Errorf("a delivery that the replica has: %+v, %v", got, err)
	}
	if _, err := s.Delivery(t.Context(), old.ID); err != nil {
		t.Errorf("a delivery that only the primary has: %v", err)
	}
	if list, err := s.ListSubscriptions(t.Context(), event.SubscriptionQuery{Limit: 10}); err != nil || len(list) != 1 || list[0].Description != lagging.Description {
		t.Errorf("the list is %+v, %v; want the replica's", list, err)
	}
	if got, err := s.Subscription(t.Context(), sub.ID); err != nil || got.Description != "" {
		t.Errorf("ingest reads %+v, %v; want the primary's", got, err)
	}
	if _, err := s.Delivery(t.Context(), event.NewID(time.Now())); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("a delivery that does not exist: %v", err)
	}

	away := open(t, postgres.Options{URL: url, ReadURL: strings.Replace(url, "127.0.0.1", "127.0.0.2", 1)})
	for range 2 {
		start := time.Now()
		if _, err := away.Delivery(t.Context(), old.ID); err != nil || time.Since(start) > 3*time.Second {
			t.Errorf("without the replica: %v after %v", err, time.Since(start))
		}
	}
}
