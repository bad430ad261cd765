package postgres_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
)

// cutter is a proxy in front of a server. While it is armed, it cuts the connection on which a
// commit is under way.
type cutter struct {
	server string
	armed  atomic.Int32
	cuts   atomic.Int32
}

const (
	never int32 = iota
	beforeCommit
	afterCommit // the server has responded, and the client does not receive it
)

// committed is the server's response when something was inserted and no transaction is open: a
// CommandComplete and a ReadyForQuery.
func committed(answer []byte) bool {
	return bytes.Contains(answer, []byte("INSERT 0 ")) && bytes.HasSuffix(answer, []byte("Z\x00\x00\x00\x05I"))
}

// insertion is a message that contains the test's event and the commit of it.
func insertion(message []byte) bool { return bytes.Contains(message, []byte("insert-delivery")) }

func (c *cutter) start(t *testing.T, database string) (cut string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c.server, u.Host = u.Host, l.Addr().String()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(client)
		}
	}()
	return u.String()
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer client.Close()
		c.pass(client, server, afterCommit, committed)
	}()
	c.pass(server, client, beforeCommit, insertion)
}

// pass copies until it reaches what it must not pass on.
func (c *cutter) pass(to io.Writer, from io.Reader, when int32, what func([]byte) bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if what(buf[:n]) && c.armed.CompareAndSwap(when, never) {
			c.cuts.Add(1)
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// The connection breaks during a commit, before or after the server has committed. The caller can't
// know which. If it repeats the call with the same Idempotency-Key, one event is stored in both
// cases. Without a key, two are stored if the server had committed.
func TestConnectionCutDuringACommit(t *testing.T) {
	t.Parallel()
	direct := server.Database(t, template)
	for why, row := range map[string]struct {
		when   int32
		key    string
		stored int
	}{
		"not committed, and the caller has a key":  {beforeCommit, "order-1", 1},
		"committed, and the caller has a key":      {afterCommit, "order-2", 1},
		"not committed, and the caller has no key": {beforeCommit, "", 1},
		"committed, and the caller has no key":     {afterCommit, "", 2},
	} {
		t.Run(why, func(t *testing.T) {
			c := &cutter{}
			s := open(t, postgres.Options{URL: c.start(t, direct)})
			sub := subscribed(t, s)
			first := offer(sub.ID, time.Now())
			first.IdempotencyKey, first.Event.ContentType = row.key, "insert-delivery"
			c.armed.Store(row.when)
			if _, err := s.Accept(t.Context(), first); !errors.Is(err, event.ErrUnavailable) || c.cuts.Load() != 1 {
				t.Fatalf("with %d cuts: %v, want ErrUnavailable", c.cuts.Load(), err)
			}
			again := offer(sub.ID, time.Now())
			again.IdempotencyKey = row.key
			got, err := s.Accept(t.Context(), again)
			if err != nil {
				t.Fatal(err)
			}
			if want := row.when == afterCommit && row.key != ""; got.Replayed != want || want && got.Event != first.Event.ID {
				t.Errorf("repeated, it is %+v; want a replay of the first: %v", got, want)
			}
			if n := query[int](t, direct, `SELECT count(*) FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.subscription_id = $1::uuid`, sub.ID.String())[0]; n != row.stored {
				t.Errorf("%d are stored, want %d", n, row.stored)
			}
		})
	}
}

// An outcome whose commit was done but not confirmed is written again, and counts once.
func TestRecordCutAfterItsCommit(t *testing.T) {
	t.Parallel()
	c := &cutter{}
	s := open(t, postgres.Options{URL: c.start(t, server.Database(t, template))})
	sub := subscribed(t, s)
	d := accept(t, s, offer(sub.ID, time.Now()))
	settlement := []event.Settlement{event.Settle(d, event.Outcome{StartedAt: time.Now(), Code: event.CodeTimeout}, event.RetryPolicy{time.Hour}, time.Now(), 0.5)}
	c.armed.Store(afterCommit)
	if err := s.Record(t.Context(), settlement); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("cut: %v", err)
	}
	if err := s.Record(t.Context(), settlement); err != nil {
		t.Error(err)
	}
	if got, err := s.Delivery(t.Context(), d.ID); err != nil || got.Delivery.Attempts != 1 || len(got.Attempts) != 1 {
		t.Errorf("%+v, %v; want one attempt", got, err)
	}
}
