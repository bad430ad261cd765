package chaos

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/webhook"
)

// arrivals records when each event's requests arrived, and lets respond decide the response.
type arrivals struct {
	*httptest.Server
	respond func(r *http.Request, n int) (status int)

	mu sync.Mutex
	at map[string][]time.Time
}

// arrive starts an endpoint. respond returns the status of the n-th response for an event, starting
// at 1.
func arrive(t *testing.T, respond func(r *http.Request, n int) (status int)) *arrivals {
	t.Helper()
	a := &arrivals{respond: respond, at: map[string][]time.Time{}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(func() {
		a.CloseClientConnections() // of requests without a response
		a.Close()
	})
	return a
}

func (a *arrivals) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // the sender has died
	}
	id := r.Header.Get(webhook.HeaderID)
	a.mu.Lock()
	a.at[id] = append(a.at[id], time.Now())
	n := len(a.at[id])
	a.mu.Unlock()
	w.WriteHeader(a.respond(r, n))
}

// of returns when an event's n-th request arrived, starting at 1; zero if it has not.
func (a *arrivals) of(id string, n int) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.at[id]) < n {
		return time.Time{}
	}
	return a.at[id][n-1]
}

// await waits until the n-th request for each of these events has arrived.
func (a *arrivals) await(t *testing.T, ids []string, n int) {
	t.Helper()
	await.NoError(t, func() error {
		for _, id := range ids {
			if a.of(id, n).IsZero() {
				return fmt.Errorf("request %d for event %s has not come", n, id)
			}
		}
		return nil
	})
}

// takeOverMost is far longer than a lease of 12 seconds and the two seconds until a node looks, so
// that a busy machine does not fail the test. The real time is printed.
const takeOverMost = 30 * time.Second

// A worker dies while its requests hang at the endpoint. Another worker makes the deliveries.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for name, redis := range map[string]bool{"without Redis": false, "with Redis": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, options{apis: 1, workers: 1, redis: redis, settings: []string{"WEBHOOK_TIMEOUT=60s"}})
			endpoint := arrive(t, func(r *http.Request, n int) int {
				if n == 1 {
					<-r.Context().Done() // until the worker is dead
				}
				return http.StatusOK
			})
			subscription := c.subscribe(endpoint.URL, 0)
			var ids []string
			for range 8 {
				ids = append(ids, c.acknowledge(t, subscription))
			}
			endpoint.await(t, ids, 1)
			first := c.one("worker")
			c.start("worker")

			first.kill()
			killed := time.Now()
			endpoint.await(t, ids, 2)
			var waited []time.Duration
			for _, id := range ids {
				waited = append(waited, endpoint.of(id, 2).Sub(killed))
			}
			t.Logf("attempted again %.1f to %.1f seconds after the kill", slices.Min(waited).Seconds(), slices.Max(waited).Seconds())
			if slices.Max(waited) > takeOverMost {
				t.Errorf("that is too long")
			}
			c.wantSettled(t, len(ids), 1)
			for _, id := range ids {
				if !endpoint.of(id, 3).IsZero() {
					t.Errorf("event %s was attempted a third time", id)
				}
			}
		})
	}
}

// wantSettled waits until all deliveries are delivered, at least this many, each with this number
// of recorded attempts.
func (c *cluster) wantSettled(t *testing.T, deliveries, attempts int) {
	t.Helper()
	await.NoError(t, func() error {
		n := c.number(`SELECT count(*) FROM deliveries d WHERE status = 1 AND lease_owner IS NULL AND attempts = $1
			AND (SELECT count(*) FROM delivery_attempts a WHERE a.delivery_id = d.id) = $1`, attempts)
		if all := c.number(`SELECT count(*) FROM deliveries`); n != all || n < deliveries {
			return fmt.Errorf("%d of %d are delivered with %d attempts, want %d; leased is %s", n, all, attempts, deliveries, c.leased())
		}
		return nil
	})
}
