//go:build !race

// Under the race detector, sync.Pool drops items at random, so allocations can't be counted.

package api

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

// What a publish allocates besides the bytes of the body and those of the response are its type and its
// tenant.
func TestPublishHandlerAllocs(t *testing.T) {
	o := testOptions(&memory{})
	o.Publish = publishing{event.Published{Event: event.NewID(testTime), Tenant: "default", Deliveries: 1}}
	h := newHandler(t, o)
	body := []byte(`{"tenant":"default","event":"user.created","data":{"a":[1,2,3],"b":"x"}}`)
	reader := bytes.NewReader(body)
	req, err := http.NewRequestWithContext(t.Context(), "POST", "/events/", io.NopCloser(reader))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(body))
	req.Header.Set("Content-Type", "application/json")
	w := discard{http.Header{}}
	got := testing.AllocsPerRun(200, func() {
		reader.Reset(body)
		clear(w.header)
		h.ServeHTTP(w, req)
	})
	if got > 4 {
		t.Errorf("%v allocations, want 4 at most", got)
	}
}

// The two allocations are the bytes of the body and those of the response. Routing must add none.
func TestIngestHandlerAllocs(t *testing.T) {
	o := testOptions(&memory{})
	o.Ingest = accepting{event.Receipt{Event: event.NewID(testTime), Deliveries: []event.ID{event.NewID(testTime)}}}
	h := newHandler(t, o)
	body := []byte(`{"event":"user.created","data":1}`)
	reader := bytes.NewReader(body)
	for _, path := range []string{"/webhooks/ingest/" + event.NewID(testTime).String(), "/webhooks/ingest/" + event.NewID(testTime).String() + "/"} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", path, io.NopCloser(reader))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(len(body))
		req.Header.Set("Content-Type", "application/json")
		w := discard{http.Header{}}
		got := testing.AllocsPerRun(200, func() {
			reader.Reset(body)
			clear(w.header)
			h.ServeHTTP(w, req)
		})
		if got > 2 {
			t.Errorf("%s: %v allocations, want 2 at most", path, got)
		}
	}
}
