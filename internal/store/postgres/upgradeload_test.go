package postgres_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/test/release010"
)

// fillSQL inserts settled deliveries with their events and attempts, in all partitions that release
// 0.1.0 has left.
const fillSQL = `
	CREATE FUNCTION pg_temp.id(ms bigint, n bigint) RETURNS uuid LANGUAGE sql AS
		$$ SELECT (lpad(to_hex(ms), 12, '0') || '7000a000' || lpad(to_hex(n), 12, '0'))::uuid $$;
	CREATE TEMP TABLE made AS SELECT pg_temp.id(ms, n) AS id, n, to_timestamp(ms / 1000.0) AS at
		FROM (SELECT n, from_ms + (to_ms - from_ms) * n / (rows + 1) AS ms
			FROM (SELECT %[1]d::bigint AS from_ms, %[2]d::bigint AS to_ms, %[3]d::bigint AS rows) span, generate_series(1, rows) n) x;
	INSERT INTO events SELECT id, at, 'user.created', 'application/json', '{}' FROM made;
	INSERT INTO deliveries SELECT id, id, '%[4]s', at, at, NULL, at, 1, CASE WHEN n %% 50 = 0 THEN 2 ELSE 1 END, NULL FROM made;
	INSERT INTO delivery_attempts SELECT id, id, '%[4]s', at, 1, 0, 0, 0, 0, 1, 200, '', '', '', 'ok' FROM made`

// TestUpgradeUnderLoad migrates a database while nodes of release 0.1.0 accept and deliver, and
// while one long transaction reads all tables. Adding columns must wait for that transaction.
// HOOKFERRY_TEST_UPGRADE sets how many deliveries there are before, and makes the reader stay for
// a minute. The default is a short run.
func TestUpgradeUnderLoad(t *testing.T) {
	t.Parallel()
	rows, reading := 50_000, 3*time.Second
	if testing.Short() {
		rows /= 10
	}
	if text := os.Getenv("HOOKFERRY_TEST_UPGRADE"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("HOOKFERRY_TEST_UPGRADE: %v", err)
		}
		rows, reading = n, time.Minute
	}
	url, content := release010.PostgreSQL(t, server)
	sub := content.Subscriptions[0].ID
	fillOld(t, url, sub, rows)

	f := startFlood(t, url, sub, content.KilledAt)
	release := hold(t, url, `SELECT count(*) FROM events; SELECT count(*) FROM deliveries; SELECT count(*) FROM delivery_attempts`)
	began := time.Now()
	opened := make(chan error, 1)
	var s *postgres.Store
	go func() {
		var err error
		s, err = postgres.Open(t.Context(), postgres.Options{URL: url})
		opened <- err
	}()
	time.Sleep(reading) // the time that the reader stays is what is tested
	select {
	case err := <-opened:
		t.Errorf("the migration did not wait for the reader: %v", err)
	default:
	}
	release()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	took := time.Since(began)
	f.end()
	slices.Sort(f.took)
	t.Logf("%d deliveries migrated in %v; %d accepted meanwhile: median %v, p99 %v, at most %v", rows, took.Round(time.Millisecond),
		len(f.took), f.took[len(f.took)/2], f.took[len(f.took)*99/100], f.took[len(f.took)-1])
	checkUpToDate(t, url)
	f.check(t, s, content.KilledAt.Add(24*time.Hour))
}

func fillOld(t *testing.T, url string, sub event.ID, rows int) {
	t.Helper()
	windows := partitionsOf(t, url, "deliveries")
	at := func(name string) int64 {
		start, err := time.Parse("deliveries_p20060102_15", name)
		if err != nil {
			t.Fatal(err)
		}
		return start.UnixMilli()
	}
	from, to := at(windows[0]), at(windows[len(windows)-1])
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.PgConn().Exec(t.Context(), fmt.Sprintf(fillSQL, from, to, rows, sub)).Close(); err != nil {
		t.Fatal(err)
	}
}

// flood is a node of release 0.1.0 under load.
type flood struct {
	old  oldNode
	sub  event.ID
	at   time.Time // the time of the ids
	stop chan struct{}
	once sync.Once // closes stop
	wg   sync.WaitGroup

	mu      sync.Mutex
	took    []time.Duration
	pending []event.ID // accepted
	settled []event.ID // accepted and delivered
}

func startFlood(t *testing.T, url string, sub event.ID, at time.Time) *flood {
	t.Helper()
	f := &flood{old: startOldNode(t, url), sub: sub, at: at, stop: make(chan struct{})}
	for range 4 {
		f.wg.Go(func() { f.run(t) })
	}
	t.Cleanup(f.end)
	return f
}

func (f *flood) end() {
	f.once.Do(func() { close(f.stop) })
	f.wg.Wait()
}

// run accepts one event after another and delivers every second one.
func (f *flood) run(t *testing.T) {
	for n := 0; ; n++ {
		select {
		case <-f.stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
		if err := f.one(n%2 == 1); err != nil {
			t.Errorf("a node of 0.1.0 during the migration: %v", err)
			return
		}
	}
}

func (f *flood) one(deliver bool) error {
	a := oldOffer(f.sub, f.at)
	d := &a.Deliveries[0]
	if deliver {
		d.LeaseOwner, d.LeasedUntil = "old", f.at.Add(time.Minute)
	}
	began := time.Now()
	if err := f.old.accept(context.Background(), a); err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	took := time.Since(began)
	if deliver {
		if err := f.old.settle(context.Background(), event.Settle(*d, event.Outcome{StartedAt: f.at, StatusCode: 200}, nil, f.at, 0.5)); err != nil {
			return fmt.Errorf("settle: %w", err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.took = append(f.took, took)
	if deliver {
		f.settled = append(f.settled, d.ID)
	} else {
		f.pending = append(f.pending, d.ID)
	}
	return nil
}

// check fails the test unless a store has everything that was accepted, as delivered or as due.
func (f *flood) check(t *testing.T, s *postgres.Store, now time.Time) {
	t.Helper()
	due := map[event.ID]bool{}
	for _, d := range claimAll(t, s, now) {
		due[d.ID] = true
	}
	lost := 0
	for _, id := range f.pending {
		if !due[id] {
			lost++
		}
	}
	for _, id := range f.settled {
		if got, err := s.Delivery(t.Context(), id); err != nil || got.Delivery.Status != event.Delivered {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("of %d deliveries that 0.1.0 accepted meanwhile, %d are neither due nor delivered", len(f.took), lost)
	}
}

// claimAll claims everything that is due.
func claimAll(t *testing.T, s *postgres.Store, now time.Time) (all []event.Delivery) {
	t.Helper()
	for {
		c, err := s.Claim(t.Context(), event.ClaimRequest{Owner: "a", Now: now, Until: now.Add(time.Hour), Limit: 500, Capacity: 500})
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Deliveries {
			all = append(all, c.Deliveries[i].Delivery)
		}
		if len(c.Deliveries) == 0 {
			return all
		}
	}
}
