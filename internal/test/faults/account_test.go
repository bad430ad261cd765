package faults

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/webhook"
)

// ledger contains what callers were told, and what the endpoint saw.
type ledger struct {
	t        *testing.T
	endpoint *httptest.Server

	mu           sync.Mutex
	acknowledged map[string]bool // by event
	refused      int
	seen         map[string]int // requests by event
	hold         chan struct{}  // requests get no response before it is closed; nil: they get one at once
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{t: t, acknowledged: map[string]bool{}, seen: map[string]int{}}
	l.endpoint = httptest.NewServer(l)
	t.Cleanup(l.endpoint.Close)
	t.Cleanup(l.respond)
	return l
}

func (l *ledger) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	l.mu.Lock()
	l.seen[r.Header.Get(webhook.HeaderID)]++
	hold := l.hold
	l.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

// hang makes the endpoint send no response until respond is called.
func (l *ledger) hang() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold = make(chan struct{})
}

func (l *ledger) respond() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hold != nil {
		close(l.hold)
	}
	l.hold = nil
}

// event returns an event with this many bytes of data.
func event(size int) string {
	return `{"event": "load.test", "data": "` + strings.Repeat("x", size) + `"}`
}

// post publishes an event and records what the caller was told. An error is that of a broken
// connection.
func (l *ledger) post(s *service, subscription, body string) (response, error) {
	a, err := s.call("POST", "/webhooks/ingest/"+subscription, body)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && a.status == http.StatusAccepted {
		l.acknowledged[a.field("event_id")] = true
	} else {
		l.refused++
	}
	return a, err
}

func (l *ledger) requests() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, times := range l.seen {
		n += times
	}
	return n
}

// account counts what became of all events.
type account struct{ acknowledged, refused, delivered, lost, stray, duplicates int }

func (l *ledger) sum() (a account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.acknowledged, a.refused, a.delivered = len(l.acknowledged), l.refused, len(l.seen)
	for id := range l.acknowledged {
		if l.seen[id] == 0 {
			a.lost++
		}
	}
	for id, times := range l.seen {
		a.duplicates += times - 1
		if !l.acknowledged[id] {
			a.stray++
		}
	}
	return a
}

// settle waits until nothing is pending, and checks the account.
func (l *ledger) settle(s *service, duplicatesMost int) account {
	l.t.Helper()
	began := time.Now()
	await.NoError(l.t, func() error {
		n, err := s.pending(began)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d deliveries are pending", n)
		}
		return err
	})
	a := l.sum()
	l.t.Logf("%+v", a)
	if a.lost > 0 || a.duplicates > duplicatesMost {
		l.t.Errorf("%+v; nothing may be lost, and %d may be duplicates", a, duplicatesMost)
	}
	return a
}
