package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

// accepting is an Ingester that does nothing.
type accepting struct{ receipt event.Receipt }

func (a accepting) Ingest(context.Context, event.Submission) (event.Submitted, error) {
	return event.Submitted{Receipt: a.receipt}, nil
}

// discard is a ResponseWriter without a connection.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkIngestHandler measures what the API adds to an event of 1 KiB, without net/http and
// without the packages behind the API.
func BenchmarkIngestHandler(b *testing.B) {
	for name, keys := range map[string]KeyChecker{"open": nil, "key": &memory{}} {
		b.Run(name, func(b *testing.B) {
			o := testOptions(&memory{})
			o.Ingest, o.Keys = accepting{event.Receipt{Event: event.NewID(testTime), Deliveries: []event.ID{event.NewID(testTime)}}}, keys
			h := newHandler(b, o)
			body := []byte(`{"event":"user.created","data":"` + strings.Repeat("x", 990) + `"}`)
			reader := bytes.NewReader(body)
			req, err := http.NewRequest("POST", "/webhooks/ingest/"+event.NewID(testTime).String(), reader)
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+testKey)
			req.Body = io.NopCloser(reader)
			w := discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				reader.Reset(body)
				clear(w.header)
				h.ServeHTTP(w, req)
			}
		})
	}
}
