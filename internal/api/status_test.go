package api

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

var failedOutcome = event.Outcome{
	StartedAt: testTime, Duration: 1500 * time.Microsecond, Peer: "203.0.113.7:443",
	Phases: event.Phases{Connect: time.Millisecond}, Code: event.CodeConnectionRefused, Error: "connection refused by 203.0.113.7:443",
}

func TestDeliveryListsAllAttempts(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	delivery := s.ingest(id)
	path := "/status/delivery/" + delivery.String()
	pending := s.want(200, s.do("GET", path, ""))
	want := map[string]any{
		"id": delivery.String(), "subscription_id": id, "event_id": s.memory.deliveries[0].Delivery.EventID.String(), "event": "user.created",
		"status": "pending", "created_at": "2026-11-23T17:44:00Z", "next_attempt_at": "2026-11-23T17:44:00Z", "settled_at": nil, "attempts": []any{},
		"held_reason": nil, "tenant": "default",
	}
	if diff := cmp.Diff(want, pending.json); diff != "" {
		t.Error(diff)
	}

	s.memory.attempt(delivery, failedOutcome)
	s.memory.attempt(delivery, event.Outcome{
		StartedAt: testTime.Add(time.Minute), Duration: 84 * time.Millisecond, StatusCode: 200, Response: []byte("caf\xe9\x00 <b>"), Peer: "[2001:db8::1]:443",
		Phases: event.Phases{DNS: 3 * time.Millisecond, Connect: 12 * time.Millisecond, TLS: 25 * time.Millisecond, FirstByte: 41 * time.Millisecond},
	})
	want["status"], want["next_attempt_at"], want["settled_at"] = "delivered", nil, "2026-11-23T17:45:00.084Z"
	want["attempts"] = []any{
		map[string]any{
			"attempt_number": 1.0, "timestamp": "2026-11-23T17:44:00Z", "status_code": nil, "success": false,
			"error": "connection refused by 203.0.113.7:443", "error_code": "connection_refused", "duration_ms": 1.5,
			"phases": map[string]any{"dns_ms": 0.0, "connect_ms": 1.0, "tls_ms": 0.0, "first_byte_ms": 0.0},
			"peer":   "203.0.113.7:443", "response": nil,
		},
		map[string]any{
			"attempt_number": 2.0, "timestamp": "2026-11-23T17:45:00Z", "status_code": 200.0, "success": true,
			"error": nil, "error_code": nil, "duration_ms": 84.0,
			"phases": map[string]any{"dns_ms": 3.0, "connect_ms": 12.0, "tls_ms": 25.0, "first_byte_ms": 41.0},
			"peer":   "[2001:db8::1]:443", "response": "caf\ufffd\x00 <b>",
		},
	}
	if diff := cmp.Diff(want, s.want(200, s.do("GET", path+"/", "")).json); diff != "" {
		t.Error(diff)
	}
}

// A delivery that is held back past its due time says why.
func TestHeldReason(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	path := "/status/delivery/" + s.ingest(id).String()
	s.memory.subscriptions[0].Health.NotBefore = testTime.Add(time.Hour)
	got := s.want(200, s.do("GET", path, "")).json
	if got["next_attempt_at"] != "2026-11-23T18:44:00Z" || got["held_reason"] != "the endpoint is held back until 2026-11-23T18:44:00Z, after a response with Retry-After" {
		t.Errorf("while the endpoint asks for no requests: %v because %v", got["next_attempt_at"], got["held_reason"])
	}
	s.want(200, s.do("POST", "/subscriptions/"+id+"/pause", `{"reason": "maintenance"}`))
	got = s.want(200, s.do("GET", path, "")).json
	if why, _ := got["held_reason"].(string); got["next_attempt_at"] != nil || !strings.HasSuffix(why, ": maintenance") {
		t.Errorf("in a pause: %v because %v", got["next_attempt_at"], got["held_reason"])
	}
}

func TestEmptyResponseIsNotNull(t *testing.T) {
	if got := showAttempt(event.Attempt{Outcome: event.Outcome{StatusCode: 204}}).Response; got == nil || *got != "" {
		t.Errorf("an empty response is shown as %v", got)
	}
}

func TestAttemptsOfASubscriptionNewestFirst(t *testing.T) {
	s := newServer(t)
	id, other := s.create(minimal), s.create(minimal)
	for i, subscription := range []string{id, other, id, id} {
		o := failedOutcome
		o.StartedAt = testTime.Add(time.Duration(i) * time.Second)
		s.memory.attempt(s.ingest(subscription), o)
	}
	first := s.want(200, s.do("GET", "/status/subscription/"+id+"?limit=2", ""))
	second := s.want(200, s.do("GET", "/status/subscription/"+id+"?limit=2&cursor="+first.json["next"].(string), ""))
	if first.json["subscription_id"] != id || second.json["next"] != nil {
		t.Errorf("pages are %s and %s", first.text, second.text)
	}
	var times []any
	for _, r := range []reply{first, second} {
		for _, item := range r.json["data"].([]any) {
			entry := item.(map[string]any)
			times = append(times, entry["timestamp"])
			if entry["delivery_id"] == "" || entry["event_id"] == "" || entry["event"] != "user.created" || entry["attempt_number"] != 1.0 {
				t.Errorf("an entry is %v", entry)
			}
		}
	}
	if diff := cmp.Diff([]any{"2026-11-23T17:44:03Z", "2026-11-23T17:44:02Z", "2026-11-23T17:44:00Z"}, times); diff != "" {
		t.Error(diff)
	}
	if r := s.want(200, s.do("GET", "/status/subscription/"+s.create(minimal), "")); len(r.json["data"].([]any)) != 0 || r.json["next"] != nil {
		t.Errorf("a new subscription responds with %s", r.text)
	}
}

func TestHealth(t *testing.T) {
	for _, c := range []struct {
		health string
		status int
	}{{StatusOK, 200}, {StatusDegraded, 200}, {StatusDown, 503}} {
		s := newServer(t, func(o *Options) {
			h := o.Health(t.Context())
			h.Status = c.health
			h.Components["redis"] = Component{Status: StatusDegraded, LatencyMS: 1, Error: "no answer within 1s"}
			h.Queue = NewQueue(QueueCounts{Pending: 4, Leased: 3, Due: 1, OldestDueSeconds: 1.5}, time.Unix(0, 0), true)
			o.Health = func(context.Context) Health { return h }
		})
		r := s.want(c.status, s.do("GET", "/health", ""))
		want := map[string]any{
			"status": c.health, "version": "1.2.3", "uptime_seconds": 12.5,
			"components": map[string]any{
				"database": map[string]any{"status": "ok", "latency_ms": 0.3},
				"redis":    map[string]any{"status": "degraded", "latency_ms": 1.0, "error": "no answer within 1s"},
			},
			"queue": map[string]any{"pending": 4.0, "leased": 3.0, "due": 1.0, "oldest_due_seconds": 1.5, "counted_at": "1970-01-01T00:00:00Z"},
		}
		if diff := cmp.Diff(want, r.json); diff != "" {
			t.Error(diff)
		}
	}
}

// TestWhatIsNotKnownIsNull: a zero would mean that all is done.
func TestWhatIsNotKnownIsNull(t *testing.T) {
	counts := QueueCounts{Pending: 4, Leased: 3, Due: 1, OldestDueSeconds: 1.5}
	nulls := map[string]any{"pending": nil, "leased": nil, "due": nil, "oldest_due_seconds": nil}
	for _, c := range []struct {
		why   string
		queue Queue
		want  map[string]any
	}{
		{"never counted", NewQueue(QueueCounts{}, time.Time{}, false), map[string]any{"counted_at": nil}},
		{"never counted, and the database responds", NewQueue(QueueCounts{}, time.Time{}, true), map[string]any{"counted_at": nil}},
		{"the database is unavailable", NewQueue(counts, time.Unix(0, 0), false), map[string]any{
			"counted_at": "1970-01-01T00:00:00Z", "last_known": map[string]any{"pending": 4.0, "leased": 3.0, "due": 1.0, "oldest_due_seconds": 1.5},
		}},
	} {
		s := newServer(t, func(o *Options) {
			h := o.Health(t.Context())
			h.Queue = c.queue
			o.Health = func(context.Context) Health { return h }
		})
		maps.Copy(c.want, nulls)
		if diff := cmp.Diff(c.want, s.do("GET", "/health", "").json["queue"]); diff != "" {
			t.Errorf("%s: %s", c.why, diff)
		}
	}
}

func TestReadiness(t *testing.T) {
	var reason error
	s := newServer(t, func(o *Options) { o.Ready = func() error { return reason } })
	s.want(200, s.do("GET", "/readyz", ""))
	reason = errors.New("the service is stopping")
	r := s.want(503, s.do("GET", "/readyz/", ""))
	if r.code() != "not_ready" || r.json["detail"] != "The service does not accept events now: the service is stopping" {
		t.Errorf("responds with %s", r.text)
	}
	s.want(200, s.do("GET", "/livez", ""))
}
