package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
)

// The service deletes what a deleted tenant has left, also if it was stopped right after the request.
func TestADeletedTenantLeavesNothingPending(t *testing.T) {
	dir := t.TempDir()
	e := receive(t, "", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusInternalServerError) })
	s := start(t, dir)
	var subscriptions []string
	for n := range 3 {
		subscriptions = append(subscriptions, s.subscribe(map[string]any{"tenant": "acme", "uid": fmt.Sprint("main-", n), "target_url": e.URL}))
	}
	kept := s.subscribe(map[string]any{"tenant": "other", "target_url": e.URL})
	for _, tenant := range []string{"acme", "other"} {
		s.want(202, "POST", "/events/", map[string]any{"tenant": tenant, "event": "user.created", "data": 1})
	}
	s.want(204, "DELETE", "/tenants/acme", nil)
	s.stop()
	s = start(t, dir)
	await.NoError(t, func() error {
		queue := s.want(200, "GET", "/health", nil)["queue"].(map[string]any)
		if queue["pending"] != 1.0 {
			return fmt.Errorf("the queue is %v", queue)
		}
		return nil
	})
	for _, id := range subscriptions {
		s.want(404, "GET", "/subscriptions/"+id, nil)
		s.want(404, "POST", "/webhooks/ingest/"+id, map[string]any{"event": "user.created", "data": 1})
	}
	s.want(200, "GET", "/subscriptions/"+kept, nil)
	s.stop()
	if n := s.counts(); n[event.Cancelled] != 3 || n[event.Pending] != 1 {
		t.Errorf("the deliveries are %v", n)
	}
}
