package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/pgtest"
)

// own starts a server for one test, so that the test may stop or kill it.
func own(t *testing.T, settings ...string) (*pgtest.Server, *postgres.Store) {
	t.Helper()
	server, err := pgtest.Start(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Remove)
	return server, open(t, postgres.Options{URL: server.URL("postgres")})
}

// TestNothingAcknowledgedIsLostByKills kills every process of the server under load. What was
// accepted and recorded must be there when the server is back, and the store must reconnect by
// itself.
func TestNothingAcknowledgedIsLostByKills(t *testing.T) {
	server, s := own(t, "fsync=on")
	sub := subscribed(t, s)
	var mu sync.Mutex
	accepted, settled := make(map[event.ID]bool), make(map[event.ID]bool)
	for kill := range 3 {
		stop := make(chan struct{})
		var load sync.WaitGroup
		for range 32 {
			load.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					a := offer(sub.ID, time.Now())
					a.Deliveries[0].LeaseOwner, a.Deliveries[0].LeasedUntil = "a", time.Now().Add(time.Minute)
					if _, err := s.Accept(t.Context(), a); err != nil {
						if !errors.Is(err, event.ErrUnavailable) {
							t.Errorf("accept while the server is killed: %v", err)
						}
						continue
					}
					mu.Lock()
					accepted[a.Deliveries[0].ID] = true
					mu.Unlock()
					settlement := event.Settle(a.Deliveries[0], event.Outcome{StartedAt: time.Now(), StatusCode: 200}, nil, time.Now(), 0.5)
					if err := s.Record(t.Context(), []event.Settlement{settlement}); err == nil {
						mu.Lock()
						settled[a.Deliveries[0].ID] = true
						mu.Unlock()
					}
				}
			})
		}
		size := func() int { mu.Lock(); defer mu.Unlock(); return len(accepted) }
		enough := size() + 1000
		await.NoError(t, func() error {
			if n := size(); n < enough {
				return fmt.Errorf("turn %d: %d accepted, waiting for %d", kill, n, enough)
			}
			return nil
		})
		server.Kill()
		close(stop)
		load.Wait()
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		await.NoError(t, func() error { return s.Ping(t.Context()) })
	}
	t.Logf("%d accepted, %d settled", len(accepted), len(settled))
	for id := range accepted {
		got, err := s.Delivery(t.Context(), id)
		if err != nil {
			t.Errorf("accepted and lost: %v", err)
		} else if settled[id] && (got.Delivery.Status != event.Delivered || len(got.Attempts) != 1) {
			t.Errorf("recorded and lost: %v is %v with %d attempts", id, got.Delivery.Status, len(got.Attempts))
		}
	}
}

// A server that has ended refuses connections. One that is frozen does not respond at all. In both
// cases calls must fail within five seconds.
func TestUnavailableIsToldSoon(t *testing.T) {
	server, s := own(t)
	sub := subscribed(t, s)
	d := accept(t, s, offer(sub.ID, time.Now()))
	check := func(t *testing.T, what string) {
		t.Helper()
		for name, call := range map[string]func(context.Context) error{
			"Accept":       func(ctx context.Context) error { _, err := s.Accept(ctx, offer(sub.ID, time.Now())); return err },
			"Subscription": func(ctx context.Context) error { _, err := s.Subscription(ctx, sub.ID); return err },
			"KeyByHash":    func(ctx context.Context) error { _, err := s.KeyByHash(ctx, [32]byte{}); return err },
			"Delivery":     func(ctx context.Context) error { _, err := s.Delivery(ctx, d.ID); return err },
			"Claim":        func(ctx context.Context) error { _, err := s.Claim(ctx, event.ClaimRequest{Limit: 1}); return err },
			"Renew": func(ctx context.Context) error {
				_, err := s.Renew(ctx, []event.LeaseKey{d.LeaseKey()}, time.Now())
				return err
			},
			"Ping": s.Ping,
		} {
			t.Run(what+"/"+name, func(t *testing.T) {
				t.Parallel()
				start := time.Now()
				err := call(t.Context())
				if !errors.Is(err, event.ErrUnavailable) {
					t.Errorf("got %v, want ErrUnavailable", err)
				}
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("took %v", took)
				}
			})
		}
	}
	t.Run("it", func(t *testing.T) {
		server.Freeze()
		check(t, "frozen")
	})
	server.Thaw()
	await.NoError(t, func() error { return s.Ping(t.Context()) })
	t.Run("it", func(t *testing.T) {
		server.Stop()
		check(t, "stopped")
	})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	await.NoError(t, func() error { _, err := s.Accept(t.Context(), offer(sub.ID, time.Now())); return err })
	t.Run("read-only", func(t *testing.T) {
		query[string](t, server.URL("postgres"), `ALTER DATABASE postgres SET default_transaction_read_only = on`)
		query[bool](t, server.URL("postgres"), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hookferry'`)
		await.NoError(t, func() error {
			if _, err := s.Accept(t.Context(), offer(sub.ID, time.Now())); !errors.Is(err, event.ErrUnavailable) || !strings.Contains(err.Error(), "read-only") {
				return fmt.Errorf("accept on a read-only database: %v", err)
			}
			return nil
		})
		if err := s.Ping(t.Context()); !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("ping of a read-only database: %v", err)
		}
	})
}

func TestUndurableSessionsAreRefused(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	_, err := postgres.Open(t.Context(), postgres.Options{URL: url + "&synchronous_commit=off"})
	if err == nil || !strings.Contains(err.Error(), "synchronous_commit") {
		t.Errorf("got %v, want a refusal that names synchronous_commit", err)
	}
}

func TestModesThatGuessTypesAreRefused(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"exec", "simple_protocol"} {
		_, err := postgres.Open(t.Context(), postgres.Options{URL: server.URL(template) + "&default_query_exec_mode=" + mode})
		if err == nil || !strings.Contains(err.Error(), "cache_describe") {
			t.Errorf("%s: got %v, want a refusal that says what to use", mode, err)
		}
	}
}

func TestTenNodesStartAtOnce(t *testing.T) {
	t.Parallel()
	url := server.Database(t, "")
	pending, err := postgres.Migrations(t.Context(), url)
	if err != nil || len(pending) == 0 || pending[0] != "0001_base.sql" {
		t.Fatalf("an empty database needs %v, %v", pending, err)
	}
	var nodes sync.WaitGroup
	for range 10 {
		nodes.Go(func() {
			s, err := postgres.Open(t.Context(), postgres.Options{URL: url})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	nodes.Wait()
	if pending, err := postgres.Migrations(t.Context(), url); err != nil || len(pending) > 0 {
		t.Errorf("afterwards it needs %v, %v", pending, err)
	}
}

// PgBouncer in transaction mode can't keep the prepared statements of a session.
func TestWithoutPreparedStatements(t *testing.T) {
	t.Parallel()
	s := open(t, postgres.Options{URL: server.Database(t, template) + "&default_query_exec_mode=cache_describe"})
	sub := subscribed(t, s)
	sub.Secrets, sub.EventTypes, sub.RetrySchedule = []event.Secret{"a\x00b"}, []string{"a.*"}, event.RetryPolicy{time.Second}
	if _, err := s.ReplaceSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	a := offer(sub.ID, time.Now())
	a.IdempotencyKey = "\xff\x00"
	accept(t, s, a)
	claim, err := s.Claim(t.Context(), event.ClaimRequest{Owner: "a", Now: time.Now(), Until: time.Now().Add(time.Minute), Limit: 10, Capacity: 10})
	if err != nil || len(claim.Deliveries) != 1 {
		t.Fatalf("claimed %+v, %v", claim, err)
	}
	o := event.Outcome{StartedAt: time.Now(), Code: event.CodeNetwork, Error: "bytes \xff and \x00", Peer: "\xff"}
	settlement := event.Settle(claim.Deliveries[0].Delivery, o, nil, time.Now(), 0.5)
	if err := s.Record(t.Context(), []event.Settlement{settlement}); err != nil {
		t.Fatal(err)
	}
	list, err := s.ListAttempts(t.Context(), sub.ID, event.ID{}, 10)
	if err != nil || len(list) != 1 || !strings.HasPrefix(list[0].Attempt.Outcome.Error, "bytes ") {
		t.Errorf("attempts: %+v, %v", list, err)
	}
	if _, err := s.Renew(t.Context(), []event.LeaseKey{a.Deliveries[0].LeaseKey()}, time.Now()); err != nil {
		t.Error(err)
	}
	if _, err := s.Depth(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
	if got, err := s.Subscription(t.Context(), sub.ID); err != nil || got.Secrets[0] != "a\x00b" {
		t.Errorf("subscription %+v, %v", got, err)
	}
	expireAll(t, s, time.Hour)
	if err := s.DeleteSubscription(t.Context(), sub.ID, time.Now(), 0); err != nil {
		t.Error(err)
	}
}
