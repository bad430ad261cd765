package faults

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
)

// points are the steps between an event's arrival and the record of its delivery. least and most
// say how many requests the endpoint gets for an event if the process dies at this step: two only
// if the endpoint may have accepted the first.
var points = []struct {
	name        string
	least, most int
	why         string
}{
	{"ingest: accepting", 1, 1, "nothing is stored; the caller got no response and repeats the request"},
	{"store: committing", 1, 1, "written, but not committed"},
	{"store: committed", 1, 1, "on disk, and leased by a dead process: due again at the next start"},
	{"ingest: accepted", 1, 1, "the same, one step later"},
	{"ingest: handed-over", 1, 2, "the attempt may be in flight at the same time"},
	{"publish: accepting", 1, 1, "published to the tenant: nothing is stored"},
	{"publish: accepted", 1, 1, "on disk with its key, and leased by a dead process"},
	{"publish: handed-over", 1, 2, "the attempt may be in flight at the same time"},
	{"api: responding", 1, 2, "the response is written, and the attempt may be in flight"},
	{"dispatch: attempting", 1, 1, "leased, not sent"},
	{"send: dialling", 1, 1, "not dialled"},
	{"send: connected", 1, 1, "connected, not sent"},
	{"send: written", 1, 2, "the request is on its way, and may arrive after the process has died"},
	{"send: responded", 2, 2, "the endpoint has accepted it, and that is not recorded"},
	{"dispatch: recording", 2, 2, "the same, one step later"},
	{"dispatch: recorded", 1, 1, "the outcome is recorded"},
}

// TestDeathAtEachPoint makes the process kill itself at each point. The caller repeats requests
// that got no response, with the same Idempotency-Key.
func TestDeathAtEachPoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hookferry")
	if err := build(path, "-tags", "faultpoints"); err != nil {
		t.Fatal(err)
	}
	shipped, err := os.ReadFile(program) // names of points contain a space, unlike Go's names
	if err != nil {
		t.Fatal(err)
	}
	for _, point := range points {
		if bytes.Contains(shipped, []byte(point.name)) || bytes.Contains(shipped, []byte("FAULTPOINT_FILE")) {
			t.Errorf("the shipped program contains the fault point %s", point.name)
		}
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			dir, l := t.TempDir(), newLedger(t)
			armed := filepath.Join(dir, "armed")
			s := serve(t, path, dir, "FAULTPOINT_FILE="+armed)
			sub := s.subscribe(l.endpoint.URL)
			if err := os.WriteFile(armed+".new", []byte(point.name), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(armed+".new", armed); err != nil {
				t.Fatal(err)
			}
			target := "/webhooks/ingest/" + sub
			if strings.HasPrefix(point.name, "publish:") {
				target = "/events/"
			}
			_, first := s.keyed(target)
			select {
			case <-s.process.Ended():
			case <-time.After(await.Patience):
				t.Fatal("the process did not die")
			}
			s = serve(t, path, dir, "FAULTPOINT_FILE="+armed)
			a, err := s.keyed(target)
			if err != nil || a.status != http.StatusAccepted {
				t.Fatalf("repeated, the event got %d %s %v", a.status, a.text, err)
			}
			if first == nil && a.header.Get("Idempotency-Replayed") != "true" {
				t.Error("an acknowledged event is lost")
			}
			l.acknowledged[a.field("event_id")] = true
			sum := l.settle(s, point.most-1)
			if requests := l.requests(); sum.stray > 0 || requests < point.least {
				t.Errorf("%s (%s): the endpoint saw %d requests, want %d to %d; %+v", point.name, point.why, requests, point.least, point.most, sum)
			}
			s.stop()
		})
	}
}

// keyed publishes the only event of this test, to the subscription or to its tenant.
func (s *service) keyed(path string) (response, error) {
	req, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(event(100)))
	if err != nil {
		return response{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "order-1")
	return s.do(req)
}
