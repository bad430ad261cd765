package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// FuzzIngestPath sends whole requests, header and body, through everything that accepts an event:
// the API, ingest and a real store. No request may cause an internal error. An accepted event must
// be pending in the store, and every refusal must be a problem.
func FuzzIngestPath(f *testing.F) {
	handler, kept, subscription := newAPI(f)
	for _, seed := range []string{
		"POST /webhooks/ingest/ID HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{\"event\":\"a.b\",\"data\":{\"x\":1}}",
		"POST /webhooks/ingest/ID/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json; charset=utf-8\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\n{\"event\":\"a\",\"data\":\"\\u00e9\"}\r\n0\r\n\r\n",
		"POST /webhooks/ingest/ID HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/vnd.x+json\r\nwebhook-id: m\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,x\r\nContent-Length: 22\r\n\r\n{\"event\":\"a\",\"data\":1}",
		"POST /webhooks/ingest/ID HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08\x00\x00",
		"PUT /webhooks/ingest/ID HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST /webhooks/ingest/ID%00 HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{\"event\":\"a\",\"event\":\"b\",\"data\":[[[]]]",
		"POST /webhooks/ingest/ID HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 34\r\n\r\n{\"data\":1e999,\"event\":\"\\ud800\",\"x\":2}",
	} {
		f.Add([]byte(strings.Replace(seed, "ID", subscription, 1)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return // net/http responds to those
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		body, _ := io.ReadAll(w.Body)
		switch {
		case w.Code >= 500:
			t.Fatalf("%d %s", w.Code, body)
		case w.Code >= 400 && r.Method != http.MethodHead:
			var p struct{ Code, Detail string }
			if err := json.Unmarshal(body, &p); err != nil || p.Code == "" || p.Detail == "" {
				t.Fatalf("%d with %q, which is not a problem: %v", w.Code, body, err)
			}
		case w.Code == http.StatusAccepted:
			if err := isStored(t, kept, body); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// isStored returns an error unless the accepted event is stored.
func isStored(t *testing.T, kept store.Store, answer []byte) error {
	var accepted struct {
		DeliveryID string `json:"delivery_id"`
	}
	if err := json.Unmarshal(answer, &accepted); err != nil {
		return err
	}
	id, err := event.ParseID(accepted.DeliveryID)
	if err != nil {
		return err
	}
	d, err := kept.Delivery(t.Context(), id)
	if err == nil && (d.Delivery.Status != event.Pending || event.CheckEventType(d.EventType) != "") {
		err = fmt.Errorf("acknowledged, but stored as %+v", d)
	}
	return err
}

// newAPI returns the API of a service that delivers nothing, on its own database, with a
// subscription.
func newAPI(f *testing.F) (http.Handler, store.Store, string) {
	cfg, err := config.Load([]string{"HOOKFERRY_ADMIN_ADDR=off"}, "", config.Overrides{Dev: true, Addr: "127.0.0.1:0", Data: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	a, err := New(f.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(a.close)
	handler := a.servers[0].http.Handler
	r := httptest.NewRequest(http.MethodPost, "http://localhost/subscriptions/", strings.NewReader(`{"target_url":"http://127.0.0.1:9/"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	var made struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || made.ID == "" {
		f.Fatalf("no subscription: %d %s", w.Code, w.Body)
	}
	return handler, a.store, made.ID
}
