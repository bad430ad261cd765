package chaos

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// pickUpMost is far beyond the second in which deliveries start: a machine that is
// busy must not fail the test. What it took is printed.
const pickUpMost = 10 * time.Second

// What an API node takes in is attempted soon by a worker that is another process: with
// Redis, without it, and where there should be one and is none.
func TestPickUp(t *testing.T) {
	for name, row := range map[string]struct{ redis, dead bool }{
		"without Redis":          {},
		"with Redis":             {redis: true},
		"with a Redis that died": {redis: true, dead: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, options{apis: 1, workers: 2, redis: row.redis})
			endpoint := arrive(t, func(*http.Request, int) int { return http.StatusOK })
			subscription := c.subscribe(endpoint.URL, 0)
			if row.dead {
				c.redis.Kill()
			}
			var ids []string
			acknowledged := map[string]time.Time{}
			for range 100 {
				id := c.acknowledge(t, subscription)
				ids = append(ids, id)
				acknowledged[id] = time.Now()
				time.Sleep(20 * time.Millisecond) // each is to be alone
			}
			endpoint.await(t, ids, 1)
			var waited []time.Duration
			for _, id := range ids {
				waited = append(waited, max(0, endpoint.of(id, 1).Sub(acknowledged[id])))
			}
			slices.Sort(waited)
			t.Logf("attempted after the acknowledgement: half within %v, 99%% within %v, all within %v",
				waited[len(waited)/2].Round(time.Microsecond), waited[len(waited)*99/100-1].Round(time.Microsecond), waited[len(waited)-1].Round(time.Microsecond))
			if waited[len(waited)-1] > pickUpMost {
				t.Errorf("that is too long")
			}
			c.wantSettled(t, len(ids), 1)
		})
	}
}
