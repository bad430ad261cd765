package faults

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hookferry/hookferry/internal/test/await"
)

const (
	// residentMost is the memory limit of the process, however long the queue is.
	residentMost = 512 << 20
	// crowd is the number of subscriptions in the backlog.
	crowd = 100
)

// TestBacklog starts the service on a database with many due deliveries to endpoints that never
// respond, and checks that events for an endpoint that responds overtake them.
//
// HOOKFERRY_TEST_BACKLOG sets the number of deliveries; the default is small.
func TestBacklog(t *testing.T) {
	size := 200_000
	if testing.Short() {
		size /= 10
	}
	if text := os.Getenv("HOOKFERRY_TEST_BACKLOG"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("HOOKFERRY_TEST_BACKLOG: %v", err)
		}
		size = n
	}
	dir := t.TempDir()
	mute, healthy := newLedger(t), newLedger(t)
	mute.hang()
	s := serve(t, program, dir)
	var of []string
	for range crowd {
		of = append(of, s.subscribe(mute.endpoint.URL))
	}
	well := s.subscribe(healthy.endpoint.URL)
	s.stop()
	insertBacklog(t, filepath.Join(dir, "hookferry.db"), of, size)

	start := time.Now()
	s = serve(t, program, dir)
	s.want(http.StatusOK, "GET", "/readyz", "")
	ready := time.Since(start)
	await.NoError(t, func() error { // all their lanes are busy with requests that never end
		if n := mute.requests(); n < 2*crowd {
			return fmt.Errorf("%d requests of the backlog have arrived", n)
		}
		return nil
	})
	lanes := time.Since(start)
	const events = 5_000
	took, rate := healthy.publishMany(s, well, events)
	await.NoError(t, func() error {
		if a := healthy.sum(); a.lost > 0 {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
	resident := s.residentPeak()
	t.Logf("%d pending: ready after %v, all %d lanes busy after %v; meanwhile %d events at %.0f per second, accepted within %v (median) and %v (99th percentile); %d MiB at the peak",
		size, ready.Round(time.Millisecond), crowd, lanes.Round(time.Millisecond), events, rate, took[len(took)/2], took[len(took)*99/100], resident>>20)
	if a := healthy.sum(); a.acknowledged != events || a.duplicates > 0 {
		t.Errorf("%+v", a)
	}
	if resident > residentMost {
		t.Errorf("it uses %d MiB, more than %d", resident>>20, residentMost>>20)
	}
}

// publishMany publishes from 32 connections and returns the sorted durations.
func (l *ledger) publishMany(s *service, sub string, n int) (took []time.Duration, rate float64) {
	l.t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	start := time.Now()
	for range 32 {
		all.Go(func() {
			for range n / 32 {
				l.time(s, sub, &mu, &took)
			}
		})
	}
	all.Wait()
	for range n % 32 {
		l.time(s, sub, &mu, &took)
	}
	rate = float64(n) / time.Since(start).Seconds()
	slices.Sort(took)
	return took, rate
}

func (l *ledger) time(s *service, sub string, mu *sync.Mutex, took *[]time.Duration) {
	began := time.Now()
	if a, err := l.post(s, sub, event(900)); err != nil || a.status != http.StatusAccepted {
		l.t.Errorf("an event got %d %s %v", a.status, a.text, err)
	}
	mu.Lock()
	defer mu.Unlock()
	*took = append(*took, time.Since(began))
}

// backlogBatch is the number of rows in a transaction.
const backlogBatch = 100_000

// insertBacklog inserts deliveries that became due over an hour.
func insertBacklog(t *testing.T, path string, subscriptions []string, size int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_pragma=cache_size(-200000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all bytes.Buffer
	for _, id := range subscriptions {
		b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	payload := []byte(event(900))
	from := time.Now().Add(-time.Hour).UnixMilli()
	for done := 0; done < size; done += backlogBatch {
		n := min(backlogBatch, size-done)
		// The event and its delivery have the same id, which works because they are in different
		// tables.
		if _, err := db.Exec(`CREATE TEMP TABLE laid AS WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1 + ?2)
			SELECT i, unhex(printf('%012x7%03x8%015x', ?3 + i * 3600000 / ?4, i % 4096, abs(random()) >> 4)) AS id, (?3 + i * 3600000 / ?4) * 1000 AS at FROM n`,
			done, n, from, size); err != nil {
			t.Fatal(err)
		}
		for _, statement := range []struct {
			sql  string
			args []any
		}{
			{
				`INSERT INTO events (seq, id, delivery_id, subscription_id, type, content_type, payload, created_at, leased_until)
				SELECT (SELECT seq FROM filed) + i - (SELECT min(i) FROM laid), id, id, substr(?2, 1 + 16 * (i % ?3), 16), 'load.test', 'application/json', ?1, at, 0 FROM laid`,
				[]any{payload, all.Bytes(), len(subscriptions)},
			},
			{`INSERT INTO deliveries (id, event_seq, subscription_id, status, attempts, due_at, lease_owner, leased_until, created_at, settled_at)
				SELECT delivery_id, seq, subscription_id, 0, 0, created_at, NULL, 0, created_at, 0 FROM events WHERE seq >= (SELECT seq FROM filed)`, nil},
			{`UPDATE filed SET seq = (SELECT max(seq) + 1 FROM events)`, nil},
			{`DROP TABLE laid`, nil},
		} {
			if _, err := db.Exec(statement.sql, statement.args...); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// residentPeak returns the peak memory of the process in bytes, or 0 without /proc.
func (s *service) residentPeak() (bytes int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Pid()))
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &bytes); err == nil {
			return bytes << 10
		}
	}
	return 0
}
