package app_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/redistest"
)

// With separate roles, an API node accepts, workers deliver, and nothing is leased when all have
// stopped, with and without Redis.
func TestRoles(t *testing.T) {
	for name, settings := range map[string][]string{"without Redis": nil, "with Redis": {"REDIS_URL=" + redisServer.URL()}} {
		t.Run(name, func(t *testing.T) {
			r := receive(t, "", nil)
			settings = append(settings, "DATABASE_URL="+postgresServer.Database(t, ""))
			door := start(t, t.TempDir(), append(settings, "HOOKFERRY_ROLE=api")...)
			workers := []*instance{
				start(t, t.TempDir(), append(settings, "HOOKFERRY_ROLE=worker")...),
				start(t, t.TempDir(), append(settings, "HOOKFERRY_ROLE=worker")...),
			}
			sub := door.subscribe(map[string]any{"target_url": r.URL})
			if len(settings) > 1 {
				door.passesOn(sub)
			}
			before := len(r.got())
			var deliveries []string
			for n := range 200 {
				deliveries = append(deliveries, door.publish(sub, fmt.Sprintf(`{"event": "n", "data": %d}`, n)))
				if n == 120 {
					workers[0].stop() // the other one continues
				}
			}
			for _, id := range deliveries {
				if d := door.settled(id); d["status"] != "delivered" || len(d["attempts"].([]any)) != 1 {
					t.Errorf("delivery %v", d)
				}
			}
			if n := len(r.got()) - before; n != len(deliveries) {
				t.Errorf("the endpoint got %d webhooks, want %d", n, len(deliveries))
			}
			workers[1].stop()
			if d, err := door.Store().Depth(t.Context(), time.Now()); err != nil || d.Leased != 0 || d.Pending != 0 {
				t.Errorf("after the workers have stopped, the queue is %+v (%v)", d, err)
			}
		})
	}
}

// passesOn waits until the node passes accepted events through Redis.
func (i *instance) passesOn(sub string) {
	i.t.Helper()
	await.NoError(i.t, func() error {
		i.settled(i.publish(sub, created))
		if n := i.metric("hookferry_redis_passed_on_total"); n == "0" || n == "" {
			return fmt.Errorf("passed on: %s", n)
		}
		return nil
	})
}

// metric returns one number from /metrics.
func (i *instance) metric(name string) string {
	i.t.Helper()
	res, err := http.Get("http://" + i.AdminAddr() + "/metrics")
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// A worker responds to probes, and says where the API is.
func TestWorkerServesOnlyProbes(t *testing.T) {
	w := start(t, t.TempDir(), "DATABASE_URL="+postgresServer.Database(t, ""), "HOOKFERRY_ROLE=worker")
	for _, path := range []string{"/livez", "/readyz", "/health"} {
		w.want(http.StatusOK, "GET", path, nil)
	}
	for _, path := range []string{"/subscriptions/", "/docs", "/openapi.json"} {
		answer := w.want(http.StatusNotFound, "GET", path, nil)
		if detail, _ := answer["detail"].(string); !strings.Contains(detail, "role api") {
			t.Errorf("%s: %v, want it to say where the API is", path, answer)
		}
	}
	w.want(http.StatusMethodNotAllowed, "POST", "/health", nil)
}

// An API node needs an API key, a worker does not.
func TestOnlyTheAPINeedsAKey(t *testing.T) {
	for role, wantErr := range map[string]bool{"worker": false, "api": true, "all": true} {
		cfg := load(t, t.TempDir(), "DATABASE_URL="+postgresServer.Database(t, ""), "HOOKFERRY_ROLE="+role)
		cfg.Dev, cfg.ShutdownGrace = false, time.Second
		a, err := app.New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
		if (err != nil) != wantErr {
			t.Errorf("role %s without a key: %v", role, err)
		}
		if err == nil {
			ended, end := context.WithCancel(t.Context())
			end()
			if err := a.Run(ended); err != nil {
				t.Error(err)
			}
		}
	}
}

// While Redis is unavailable, the service says so, stays ready, and delivers within about a second.
// Then it uses Redis again by itself.
func TestRedisAway(t *testing.T) {
	server, err := redistest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Remove)
	r := receive(t, "", nil)
	settings := []string{"DATABASE_URL=" + postgresServer.Database(t, ""), "REDIS_URL=" + server.URL()}
	door := start(t, t.TempDir(), append(settings, "HOOKFERRY_ROLE=api")...)
	worker := start(t, t.TempDir(), append(settings, "HOOKFERRY_ROLE=worker")...)
	sub := door.subscribe(map[string]any{"target_url": r.URL})
	door.passesOn(sub)

	server.Kill()
	for range 20 {
		door.settled(door.publish(sub, created))
	}
	for _, node := range []*instance{door, worker} {
		await.NoError(t, func() error {
			h := node.want(http.StatusOK, "GET", "/health", nil)
			if redis := h["components"].(map[string]any)["redis"].(map[string]any); h["status"] != "degraded" || redis["status"] != "degraded" {
				return fmt.Errorf("health %v", h)
			}
			return nil
		})
		node.want(http.StatusOK, "GET", "/readyz", nil)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	before := door.metric("hookferry_redis_passed_on_total")
	await.NoError(t, func() error {
		door.settled(door.publish(sub, created))
		if now := door.metric("hookferry_redis_passed_on_total"); now == before {
			return fmt.Errorf("passed on: %s before and after", now)
		}
		return nil
	})
	if h := door.want(http.StatusOK, "GET", "/health", nil); h["status"] != "ok" {
		t.Errorf("health %v", h)
	}
	counts, err := door.Store().Count(t.Context())
	if err != nil || counts[event.Delivered] != len(r.got()) || len(counts) != 1 {
		t.Errorf("the store counts %v (%v), and the endpoint %d", counts, err, len(r.got()))
	}
}

// Two workers together keep to the rate of a subscription.
func TestSharedRate(t *testing.T) {
	r := receive(t, "", nil)
	settings := []string{"DATABASE_URL=" + postgresServer.Database(t, ""), "REDIS_URL=" + redisServer.URL()}
	door := start(t, t.TempDir(), append(settings, "HOOKFERRY_ROLE=api")...)
	for range 2 {
		w := start(t, t.TempDir(), append(settings, "HOOKFERRY_ROLE=worker")...)
		await.NoError(t, func() error {
			if up := w.metric("hookferry_redis_up"); up != "1" {
				return fmt.Errorf("redis_up %s", up)
			}
			return nil
		})
	}
	const rate, events = 20, 50
	sub := door.subscribe(map[string]any{"target_url": r.URL, "rate_per_second": rate})
	began := time.Now()
	var last string
	for range events {
		last = door.publish(sub, created)
	}
	door.settled(last)
	await.NoError(t, func() error {
		if n := len(r.got()); n < events {
			return fmt.Errorf("%d of %d", n, events)
		}
		return nil
	})
	// The rate can only be lower: a busy machine does not make the test wrong.
	if took, least := time.Since(began), time.Duration(events-3)*time.Second/rate; took < least {
		t.Errorf("%d attempts took %v; at %d per second by two workers together, they must take at least %v", events, took, rate, least)
	}
}
