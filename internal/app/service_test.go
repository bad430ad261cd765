package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/keys"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/webhook"
)

const created = `{"event": "user.created", "data": {"id": 123, "name": "John Doe", "email": "john@example.com"}}`

func TestEventIsDeliveredSignedAndAccountedFor(t *testing.T) {
	r := receive(t, "my_secret_key", func(w http.ResponseWriter, _ *http.Request, _ int) { fmt.Fprint(w, "thanks") })
	s := start(t, t.TempDir())
	sub := s.subscribe(map[string]any{
		"target_url": r.URL + "/webhook", "secret": "my_secret_key", "event_types": []string{"user.created", "user.updated"},
	})

	answer := s.want(http.StatusAccepted, "POST", "/webhooks/ingest/"+sub, created)
	if answer["status"] != "pending" {
		t.Errorf("status %v, want pending", answer["status"])
	}
	d := s.settled(answer["delivery_id"].(string))

	if d["status"] != "delivered" || d["event"] != "user.created" || d["event_id"] != answer["event_id"] || d["subscription_id"] != sub || d["next_attempt_at"] != nil {
		t.Errorf("delivery %v", d)
	}
	a := d["attempts"].([]any)[0].(map[string]any)
	if a["attempt_number"] != 1.0 || a["status_code"] != 200.0 || a["success"] != true || a["error"] != nil || a["response"] != "thanks" {
		t.Errorf("attempt %v", a)
	}
	got := r.got()
	if len(got) != 1 || got[0].body != created || got[0].id != answer["event_id"] || got[0].verdict != nil {
		t.Errorf("the endpoint got %+v", got)
	}
	if hub := got[0].header.Get(webhook.HeaderHubSignature); !strings.HasPrefix(hub, "sha256=") {
		t.Errorf("X-Hub-Signature-256 is %q", hub)
	}
	list := s.want(http.StatusOK, "GET", "/status/subscription/"+sub, nil)["data"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["delivery_id"] != answer["delivery_id"] {
		t.Errorf("attempts of the subscription: %v", list)
	}
}

func TestDataAloneIsDelivered(t *testing.T) {
	r := receive(t, "my_secret_key", func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s := start(t, t.TempDir())
	sub := s.subscribe(map[string]any{"target_url": r.URL, "secret": "my_secret_key", "retry_schedule_seconds": []float64{0.05}, "body": "data"})
	if shown := s.want(http.StatusOK, "GET", "/subscriptions/"+sub, nil); shown["body"] != "data" {
		t.Errorf("the subscription shows the body %v", shown["body"])
	}
	answer := s.want(http.StatusAccepted, "POST", "/webhooks/ingest/"+sub, created)
	if d := s.settled(answer["delivery_id"].(string)); d["status"] != "delivered" {
		t.Errorf("delivery %v", d)
	}
	got := r.got()
	if len(got) != 2 {
		t.Fatalf("the endpoint got %d requests, want 2", len(got))
	}
	for i, request := range got {
		const data = `{"id": 123, "name": "John Doe", "email": "john@example.com"}`
		if request.body != data || request.id != answer["event_id"] || request.verdict != nil {
			t.Errorf("request %d: %+v", i+1, request)
		}
		if request.header.Get("webhook-event") != "user.created" || request.header.Get("webhook-attempt") != fmt.Sprint(i+1) {
			t.Errorf("request %d has the header %v", i+1, request.header)
		}
	}
}

func TestFailureIsRetriedOnScheduleAndSaysWhy(t *testing.T) {
	r := receive(t, "", func(w http.ResponseWriter, _ *http.Request, n int) {
		if n <= 2 {
			http.Error(w, "not now", http.StatusInternalServerError)
		}
	})
	s := start(t, t.TempDir(), "WEBHOOK_RETRY_SCHEDULE=50ms,100ms")
	sub := s.subscribe(map[string]any{"target_url": r.URL})
	d := s.settled(s.publish(sub, created))

	attempts := d["attempts"].([]any)
	if d["status"] != "delivered" || len(attempts) != 3 {
		t.Fatalf("delivery %v", d)
	}
	first := attempts[0].(map[string]any)
	if first["error"] != "responded with 500 Internal Server Error" || first["error_code"] != "http_status" || first["response"] != "not now\n" {
		t.Errorf("first attempt %v", first)
	}
	for _, got := range r.got() {
		if got.id != r.got()[0].id {
			t.Errorf("webhook-id changed between attempts: %q, then %q", r.got()[0].id, got.id)
		}
	}
}

func TestDeliveryFailsForGood(t *testing.T) {
	gone := receive(t, "", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusGone) })
	s := start(t, t.TempDir(), "WEBHOOK_RETRY_SCHEDULE=20ms", "WEBHOOK_MAX_RETRIES=1", "HOOKFERRY_ALLOW_TARGETS=127.0.0.1/32")
	tests := []struct {
		name, target string
		attempts     int
		code         string
		why          string
	}{
		{"nothing listens", "http://127.0.0.1:1/", 2, "connection_refused", "retried, then there are no retries left"},
		{"gone", gone.URL, 1, "gone", "410 is final"},
		{"blocked by name", "http://blocked.invalid./", 2, "dns_error", "a name that does not resolve may do so later"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sub := s.subscribe(map[string]any{"target_url": tt.target})
			d := s.settled(s.publish(sub, created))
			attempts := d["attempts"].([]any)
			last := attempts[len(attempts)-1].(map[string]any)
			if d["status"] != "failed" || len(attempts) != tt.attempts || last["error_code"] != tt.code {
				t.Errorf("%s: delivery %v", tt.why, d)
			}
		})
	}
}

func TestGoneDisablesTheSubscription(t *testing.T) {
	r := receive(t, "", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusGone) })
	s := start(t, t.TempDir())
	sub := s.subscribe(map[string]any{"target_url": r.URL})
	s.settled(s.publish(sub, created))

	got := s.want(http.StatusOK, "GET", "/subscriptions/"+sub, nil)
	if got["is_active"] != false || !strings.Contains(fmt.Sprint(got["disabled_reason"]), "410") {
		t.Errorf("subscription %v", got)
	}
	if p := s.want(http.StatusConflict, "POST", "/webhooks/ingest/"+sub, created); !strings.Contains(fmt.Sprint(p["detail"]), "410") {
		t.Errorf("problem %v does not say why", p)
	}
}

// Pending deliveries of an inactive subscription are made once it is active again.
func TestInactiveSubscriptionHoldsItsDeliveries(t *testing.T) {
	r := receive(t, "", func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s := start(t, t.TempDir(), "WEBHOOK_RETRY_SCHEDULE=200ms")
	fields := map[string]any{"target_url": r.URL}
	sub := s.subscribe(fields)
	delivery := s.publish(sub, created)
	s.until(delivery, func(d map[string]any) bool { return len(d["attempts"].([]any)) == 1 })

	fields["is_active"] = false
	s.want(http.StatusOK, "PUT", "/subscriptions/"+sub, fields)
	await.NoError(t, func() error { // its retry is due, but is not made
		if d := s.want(http.StatusOK, "GET", "/health", nil)["queue"].(map[string]any); d["pending"] != 1.0 || d["leased"] != 0.0 {
			return fmt.Errorf("queue %v", d)
		}
		return nil
	})
	fields["is_active"] = true
	s.want(http.StatusOK, "PUT", "/subscriptions/"+sub, fields)
	if d := s.settled(delivery); d["status"] != "delivered" {
		t.Errorf("delivery %v", d)
	}
}

func TestDeleteCancelsWhatIsPendingAndKeepsTheHistory(t *testing.T) {
	r := receive(t, "", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusInternalServerError) })
	s := start(t, t.TempDir(), "WEBHOOK_RETRY_SCHEDULE=1h")
	sub := s.subscribe(map[string]any{"target_url": r.URL})
	delivery := s.publish(sub, created)
	s.until(delivery, func(d map[string]any) bool { return len(d["attempts"].([]any)) == 1 })

	s.want(http.StatusNoContent, "DELETE", "/subscriptions/"+sub, nil)
	s.want(http.StatusNotFound, "DELETE", "/subscriptions/"+sub, nil)
	s.want(http.StatusNotFound, "GET", "/subscriptions/"+sub, nil)
	s.want(http.StatusNotFound, "POST", "/webhooks/ingest/"+sub, created)
	if d := s.want(http.StatusOK, "GET", "/status/delivery/"+delivery, nil); d["status"] != "cancelled" {
		t.Errorf("delivery %v", d)
	}
	if list := s.want(http.StatusOK, "GET", "/status/subscription/"+sub, nil)["data"].([]any); len(list) != 1 {
		t.Errorf("attempts %v", list)
	}
}

func TestTwoInstancesInOneProcess(t *testing.T) {
	r := receive(t, "", nil)
	one, two := start(t, t.TempDir()), start(t, t.TempDir())
	sub := one.subscribe(map[string]any{"target_url": r.URL})
	two.want(http.StatusNotFound, "GET", "/subscriptions/"+sub, nil)
	other := two.subscribe(map[string]any{"target_url": r.URL})
	one.settled(one.publish(sub, created))
	two.settled(two.publish(other, created))
	if n := len(r.got()); n != 2 {
		t.Errorf("the endpoint got %d webhooks, want 2", n)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	_, err := app.New(t.Context(), load(t, dir), "test", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "another hookferry process has") {
		t.Errorf("the second one got %v", err)
	}
}

// A stop in the middle of the work loses nothing, delivers nothing twice, and leaves nothing
// leased, so that the next start continues at once.
func TestStopAndStartLosesNothing(t *testing.T) {
	r := receive(t, "", nil)
	dir := t.TempDir()
	s := start(t, dir)
	sub := s.subscribe(map[string]any{"target_url": r.URL})
	const events = 300
	var accepted []string
	for n := range events {
		accepted = append(accepted, s.publish(sub, fmt.Sprintf(`{"event": "n", "data": %d}`, n)))
		if n%100 == 50 {
			s.stop()
			s = start(t, dir)
		}
	}
	for _, delivery := range accepted {
		if d := s.settled(delivery); d["status"] != "delivered" {
			t.Errorf("delivery %v", d)
		}
	}
	if n := len(r.got()); n != events {
		t.Errorf("the endpoint got %d webhooks, want %d", n, events)
	}
}

// An endpoint that hangs does not delay the others: all of their deliveries are made before one of
// its own ends.
func TestHangingEndpointDelaysNobody(t *testing.T) {
	release := make(chan struct{})
	hang := receive(t, "", func(_ http.ResponseWriter, r *http.Request, _ int) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	r := receive(t, "", nil)
	s := start(t, t.TempDir(), "WEBHOOK_TIMEOUT=60s", "HOOKFERRY_SHUTDOWN_GRACE=0s")
	hanging := s.subscribe(map[string]any{"target_url": hang.URL})
	var deliveries []string
	for range 9 {
		sub := s.subscribe(map[string]any{"target_url": r.URL})
		for range 30 {
			s.publish(hanging, created)
			deliveries = append(deliveries, s.publish(sub, created))
		}
	}
	for _, id := range deliveries {
		s.settled(id)
	}
	count, err := s.Store().Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if count[0] != len(deliveries) || count[1] != len(deliveries) {
		t.Errorf("statuses %v, want %d pending at the endpoint that hangs and as many delivered", count, len(deliveries))
	}
}

// Concurrent requests with the same idempotency key create one event.
func TestIdempotencyKey(t *testing.T) {
	r := receive(t, "", nil)
	s := start(t, t.TempDir())
	sub := s.subscribe(map[string]any{"target_url": r.URL})
	send := func(body string) (int, http.Header, map[string]any) {
		req, err := http.NewRequestWithContext(context.Background(), "POST", s.url+"/webhooks/ingest/"+sub, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", "order-1")
		return s.do(req)
	}
	var wg sync.WaitGroup
	ids := make(chan string, 20)
	for range cap(ids) {
		wg.Go(func() {
			status, _, answer := send(created)
			if status != http.StatusAccepted {
				t.Errorf("%d %v", status, answer)
			}
			ids <- fmt.Sprint(answer["delivery_id"])
		})
	}
	wg.Wait()
	first := <-ids
	for range cap(ids) - 1 {
		if id := <-ids; id != first {
			t.Errorf("delivery %s beside %s", id, first)
		}
	}
	s.settled(first)
	if n := len(r.got()); n != 1 {
		t.Errorf("the endpoint got %d webhooks, want 1", n)
	}
	if _, header, _ := send(created); header.Get("Idempotency-Replayed") != "true" {
		t.Error("the repeated response does not say that it is one")
	}
	if status, _, answer := send(`{"event": "user.created", "data": 2}`); status != http.StatusUnprocessableEntity || answer["code"] != "idempotency_key_reused" {
		t.Errorf("%d %v", status, answer)
	}
}

func TestStartNeedsAKey(t *testing.T) {
	dir := t.TempDir()
	cfg := load(t, dir)
	cfg.Dev = false
	if _, err := app.New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "hookferry keys create") {
		t.Fatalf("without a key: %v", err)
	}
	text, key := makeKey(t, cfg, keys.Wanted{Name: "test", Scope: "admin"})
	a, err := app.New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	status := func(key string) int {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+a.Addr()+"/subscriptions/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for _, tt := range []struct {
		key  string
		want int
		why  string
	}{
		{"", http.StatusUnauthorized, "no key"},
		{"hf_wrong", http.StatusUnauthorized, "a wrong key"},
		{text, http.StatusOK, "the key"},
		{text, http.StatusOK, "the key, from memory"},
	} {
		if got := status(tt.key); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.why, got, tt.want)
		}
	}
	// The command line works while a service is running.
	withStore(t, cfg, func(s store.Store) error { return keys.Revoke(t.Context(), s, key.ID.String()) })
	await.NoError(t, func() error {
		if got := status(text); got != http.StatusUnauthorized {
			return fmt.Errorf("a revoked key gets %d", got)
		}
		return nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestHealth(t *testing.T) {
	s := start(t, t.TempDir())
	s.want(http.StatusOK, "GET", "/readyz", nil)
	s.want(http.StatusOK, "GET", "/livez", nil)
	h := s.want(http.StatusOK, "GET", "/health", nil)
	if h["status"] != "ok" || h["components"].(map[string]any)["database"].(map[string]any)["status"] != "ok" {
		t.Errorf("health %v", h)
	}
}

// When the service begins to stop, /readyz says so for a while, and events are still accepted.
func TestReadinessEndsBeforeTheService(t *testing.T) {
	r := receive(t, "", nil)
	cfg := load(t, t.TempDir(), "HOOKFERRY_SHUTDOWN_GRACE=10s", "HOOKFERRY_API_KEY=0123456789abcdef")
	cfg.Dev = false
	a, err := app.New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	s := &instance{App: a, t: t, url: "http://" + a.Addr(), key: "0123456789abcdef"}
	sub := s.subscribe(map[string]any{"target_url": r.URL})
	s.want(http.StatusOK, "GET", "/readyz", nil)
	cancel()
	await.NoError(t, func() error {
		if status, _, answer := s.call("GET", "/readyz", nil); status != http.StatusServiceUnavailable {
			return fmt.Errorf("%d %v", status, answer)
		}
		return nil
	})
	s.publish(sub, created)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := len(r.got()); n != 1 {
		t.Errorf("the endpoint got %d webhooks, want the one that was accepted in the meantime", n)
	}
}

// Requests and attempts that do not end share one grace period.
func TestStopTakesOneGrace(t *testing.T) {
	hang := receive(t, "", func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() })
	s := start(t, t.TempDir(), "WEBHOOK_TIMEOUT=60s", "HOOKFERRY_SHUTDOWN_GRACE=2s")
	sub := s.subscribe(map[string]any{"target_url": hang.URL})
	s.publish(sub, created)
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /webhooks/ingest/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", sub)
	await.NoError(t, func() error {
		if len(hang.got()) == 0 {
			return errors.New("the attempt has not begun")
		}
		return nil
	})
	s.stop() // if this hangs, the timeout of the test ends it, far above the grace period
	if d := s.counts(); d[event.Pending] != 1 {
		t.Errorf("after the stop: %v, want one pending delivery", d)
	}
}

// counts reads the counts from the database of an instance that has stopped.
func (i *instance) counts() map[event.Status]int {
	i.t.Helper()
	file, err := sqlite.Open(i.t.Context(), filepath.Join(i.dir, "hookferry.db"), sqlite.Options{})
	if err != nil {
		i.t.Fatal(err)
	}
	defer file.Close()
	counts, err := file.Count(i.t.Context())
	if err != nil {
		i.t.Fatal(err)
	}
	return counts
}
