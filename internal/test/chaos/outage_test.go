package chaos

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
)

// answerMost is far longer than a publisher waits for a refusal during an outage, so that a busy
// machine does not fail the test. The real time is printed.
const answerMost = 15 * time.Second

// The database becomes unavailable while attempts are in flight. The endpoint responds in the
// meantime, and when the database is back, the outcomes are recorded: nothing is attempted again.
// Publishers are told quickly to try again.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		leave func(*cluster)
		back  func(*cluster) error
	}{
		"killed": {func(c *cluster) { c.postgres.Kill() }, func(c *cluster) error { return c.postgres.Start() }},
		"frozen": {func(c *cluster) { c.postgres.Freeze() }, func(c *cluster) error { c.postgres.Thaw(); return nil }}, // it accepts data, but does not respond
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// One worker: others might take over the leases when the outage lasts longer than a
			// lease.
			c := newCluster(t, options{apis: 1, workers: 1, own: true, settings: []string{"WEBHOOK_TIMEOUT=60s"}})
			endpoint, respond := hold(t)
			subscription, ids := c.publishTo(t, endpoint)
			endpoint.await(t, ids, 1)

			row.leave(c)
			respond()
			for range 3 {
				c.wantRefused(t, subscription)
			}
			if err := row.back(c); err != nil {
				t.Fatal(err)
			}

			await.NoError(t, func() error {
				id, err := c.post(c.api(0), subscription)
				if err == nil {
					ids = append(ids, id)
				}
				return err
			})
			endpoint.await(t, ids[len(ids)-1:], 1)
			c.wantSettled(t, len(ids), 1)
			for _, id := range ids {
				if !endpoint.of(id, 2).IsZero() {
					t.Errorf("event %s was attempted again", id)
				}
			}
		})
	}
}

// hold starts an endpoint that does not respond before respond is called.
func hold(t *testing.T) (endpoint *arrivals, respond func()) {
	t.Helper()
	answered := make(chan struct{})
	endpoint = arrive(t, func(*http.Request, int) int {
		<-answered
		return http.StatusOK
	})
	respond = sync.OnceFunc(func() { close(answered) })
	t.Cleanup(respond)
	return endpoint, respond
}

// publishTo publishes as many events as are sent to endpoints that have not responded yet, and
// returns one of the subscriptions.
func (c *cluster) publishTo(t *testing.T, endpoint *arrivals) (subscription string, ids []string) {
	t.Helper()
	for range 4 {
		subscription = c.subscribe(endpoint.URL, 0)
		for range 8 {
			ids = append(ids, c.acknowledge(t, subscription))
		}
	}
	return subscription, ids
}

// wantRefused publishes an event during an outage.
func (c *cluster) wantRefused(t *testing.T, subscription string) {
	t.Helper()
	start := time.Now()
	_, err := c.post(c.api(0), subscription)
	took := time.Since(start)
	var r refusal
	if !errors.As(err, &r) || r.status != http.StatusServiceUnavailable || r.retryAfter == "" {
		t.Errorf("while the database is unavailable, an event got %v (Retry-After %q), want status 503 with Retry-After", err, r.retryAfter)
	}
	if t.Logf("refused after %v, with Retry-After %s", took.Round(time.Millisecond), r.retryAfter); took > answerMost {
		t.Errorf("that is too long")
	}
}
