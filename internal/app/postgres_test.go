package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/keys"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/pgtest"
)

// Two nodes share a PostgreSQL database: both know what one accepts, nothing is delivered twice,
// and one node finishes what the other leaves behind.
func TestTwoNodesOnPostgreSQL(t *testing.T) {
	r := receive(t, "", nil)
	database := "DATABASE_URL=" + postgresServer.Database(t, "")
	a, b := start(t, t.TempDir(), database), start(t, t.TempDir(), database)
	fields := map[string]any{"target_url": r.URL}
	sub := a.subscribe(fields)

	var deliveries []string
	for n := range 60 {
		node := []*instance{a, b}[n%2]
		deliveries = append(deliveries, node.publish(sub, fmt.Sprintf(`{"event": "n", "data": %d}`, n)))
		if n == 40 {
			a.stop()
			a = b
		}
	}
	for _, id := range deliveries {
		if d := b.settled(id); d["status"] != "delivered" {
			t.Errorf("delivery %v", d)
		}
	}
	if n := len(r.got()); n != len(deliveries) {
		t.Errorf("the endpoint got %d webhooks, want %d", n, len(deliveries))
	}
	counts, err := b.Store().Count(t.Context())
	if err != nil || counts[event.Delivered] != len(deliveries) || len(counts) != 1 {
		t.Errorf("the store counts %v (%v)", counts, err)
	}
}

// A change on one node reaches the other, which has the subscription in memory.
func TestChangesReachOtherNodes(t *testing.T) {
	r := receive(t, "", nil)
	database := "DATABASE_URL=" + postgresServer.Database(t, "")
	a, b := start(t, t.TempDir(), database), start(t, t.TempDir(), database)
	fields := map[string]any{"target_url": r.URL}
	sub := a.subscribe(fields)
	a.settled(a.publish(sub, created))
	b.settled(b.publish(sub, created))

	fields["is_active"] = false
	a.want(http.StatusOK, "PUT", "/subscriptions/"+sub, fields)
	await.NoError(t, func() error {
		if status, _, answer := b.call("POST", "/webhooks/ingest/"+sub, created); status != http.StatusConflict {
			return fmt.Errorf("the other node responds with %d %v", status, answer)
		}
		return nil
	})
}

// While the database is unavailable, ingest says so and asks callers to retry. When it works again,
// the service continues by itself.
func TestPostgreSQLAway(t *testing.T) {
	server, err := pgtest.Start() // its own server, because other tests use that of the package
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Remove)
	r := receive(t, "", nil)
	s := start(t, t.TempDir(), "DATABASE_URL="+server.Database(t, ""))
	sub := s.subscribe(map[string]any{"target_url": r.URL})
	first := s.publish(sub, created)
	s.settled(first)

	server.Kill()
	status, header, answer := s.call("POST", "/webhooks/ingest/"+sub, created)
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("while the database is unavailable: %d %v", status, answer)
	}
	s.want(http.StatusOK, "GET", "/livez", nil)
	await.NoError(t, func() error {
		if status, _, _ := s.call("GET", "/readyz", nil); status != http.StatusServiceUnavailable {
			return fmt.Errorf("ready: %d", status)
		}
		return nil
	})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var second string
	await.NoError(t, func() error {
		status, _, answer := s.call("POST", "/webhooks/ingest/"+sub, created)
		if status != http.StatusAccepted {
			return fmt.Errorf("%d %v", status, answer)
		}
		second = answer["delivery_id"].(string)
		return nil
	})
	for _, id := range []string{first, second} {
		await.NoError(t, func() error {
			status, _, d := s.call("GET", "/status/delivery/"+id, nil)
			if status != http.StatusOK || d["status"] != "delivered" {
				return fmt.Errorf("%d %v", status, d)
			}
			return nil
		})
	}
}

func TestKeysAndMigrationsOnPostgreSQL(t *testing.T) {
	cfg := load(t, t.TempDir(), "DATABASE_URL="+postgresServer.Database(t, ""))
	if _, err := app.OpenExisting(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "lacks tables of this release: run `hookferry migrate`") {
		t.Errorf("a command that reads an empty database gets %v", err)
	}
	todo, err := app.Migrate(t.Context(), cfg, true)
	if err != nil || len(todo) == 0 {
		t.Fatalf("dry run: %v, %v", todo, err)
	}
	if done, err := app.Migrate(t.Context(), cfg, false); err != nil || len(done) != len(todo) {
		t.Fatalf("migrate: %v, %v, want %v", done, err, todo)
	}
	if again, err := app.Migrate(t.Context(), cfg, false); err != nil || len(again) != 0 {
		t.Errorf("migrate again: %v, %v", again, err)
	}
	if s, err := app.OpenExisting(t.Context(), cfg); err != nil {
		t.Errorf("a command that reads it now gets %v", err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
	_, key := makeKey(t, cfg, keys.Wanted{Name: "billing", Scope: "publish", Expires: "90d"})
	var list []event.APIKey
	withStore(t, cfg, func(s store.Store) (err error) { list, err = s.ListKeys(t.Context()); return err })
	if err != nil || len(list) != 1 || list[0].ID != key.ID {
		t.Errorf("keys %v, %v, want %v", list, err, key)
	}
}
