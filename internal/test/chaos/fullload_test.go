package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
)

// crowd is a set of publishers that publish as fast as they get responses, which is faster than the
// workers deliver.
type crowd struct {
	c     *cluster
	stop  chan struct{}
	ended sync.WaitGroup

	mu           sync.Mutex
	acknowledged map[string]time.Time
	refused      map[string]int
}

// crowd starts 64 publishers that use these subscriptions in turn.
func (c *cluster) crowd(subscriptions []string) *crowd {
	w := &crowd{c: c, stop: make(chan struct{}), acknowledged: map[string]time.Time{}, refused: map[string]int{}}
	for i := range 64 {
		w.ended.Go(func() {
			for n := i; ; n++ {
				select {
				case <-w.stop:
					return
				default:
					w.post(subscriptions[n%len(subscriptions)])
				}
			}
		})
	}
	return w
}

func (w *crowd) post(subscription string) {
	id, err := w.c.post(w.c.api(0), subscription)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.refused[reason(err)]++
		return
	}
	w.acknowledged[id] = time.Now()
}

// more waits until a number of further events are accepted.
func (w *crowd) more(events int) {
	w.c.t.Helper()
	count := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.acknowledged)
	}
	enough := count() + events
	await.NoError(w.c.t, func() error {
		if n := count(); n < enough {
			return fmt.Errorf("%d events are acknowledged, waiting for %d", n, enough)
		}
		return nil
	})
}

// end stops the publishers and returns the ids of the accepted events.
func (w *crowd) end() (ids []string) {
	close(w.stop)
	w.ended.Wait()
	for id := range w.acknowledged {
		ids = append(ids, id)
	}
	return ids
}

// waited returns, sorted, how long each event took from its acceptance to its first attempt.
func (w *crowd) waited(endpoint *arrivals) (all []time.Duration) {
	for id, at := range w.acknowledged {
		all = append(all, max(0, endpoint.of(id, 1).Sub(at)))
	}
	slices.Sort(all)
	return all
}

// Under full load, with separate API nodes and workers, a worker or Redis dies. Nothing is lost and
// nothing refused. How long events waited depends on the machine, and is printed.
func TestFullLoad(t *testing.T) {
	_, long := rounds(t)
	events := 2000
	switch {
	case long:
		events = 50_000
	case testing.Short():
		events = 500
	}
	loseWorker := func(c *cluster) {
		n := c.one("worker")
		n.kill()
		c.forget(n)
	}
	for name, row := range map[string]struct {
		redis  bool
		strike func(c *cluster)
	}{
		"with Redis, one of two workers dies":    {true, loseWorker},
		"without Redis, one of two workers dies": {false, loseWorker},
		"Redis dies and comes back":              {true, (*cluster).killRedis},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, options{apis: 1, workers: 2, redis: row.redis})
			endpoint := arrive(t, func(*http.Request, int) int { return http.StatusOK })
			w := c.crowd([]string{c.subscribe(endpoint.URL, 0), c.subscribe(endpoint.URL, 0)})
			w.more(events)
			row.strike(c)
			w.more(events)
			ids := w.end()
			endpoint.await(t, ids, 1)
			if len(w.refused) > 0 {
				t.Errorf("refused were %v", w.refused)
			}
			c.wantNothingLeft(t, len(ids))
			waited := w.waited(endpoint)
			n := len(waited)
			t.Logf("%d events, attempted after the acknowledgement: half within %v, 90%% within %v, 99%% within %v, all within %v",
				n, waited[n/2], waited[n*90/100], waited[n*99/100], waited[n-1])
		})
	}
}

// wantNothingLeft waits until everything is delivered and recorded, however many attempts it took.
func (c *cluster) wantNothingLeft(t *testing.T, events int) {
	t.Helper()
	await.NoError(t, func() error {
		n := c.number(`SELECT count(*) FROM deliveries d WHERE status = 1 AND lease_owner IS NULL`)
		if all := c.number(`SELECT count(*) FROM deliveries`); n != all || n < events {
			return fmt.Errorf("%d of %d are delivered, want %d; leased is %s", n, all, events, c.leased())
		}
		return nil
	})
}
