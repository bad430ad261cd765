package chaos

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// pickUpMost is far longer than the second in which deliveries start, so that a busy machine does
// not fail the test. The real time is printed.
const pickUpMost = 10 * time.Second

// An event that an API node accepts is soon attempted by a worker in another process: with Redis,
// without it, and while Redis should be there but is not.
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
				time.Sleep(20 * time.Millisecond) // so that each event is alone
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
