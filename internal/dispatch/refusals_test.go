package dispatch

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// phase is a time in which an endpoint accepts everything or refuses everything.
type phase struct {
	begins, ends time.Time
	takes        bool
	asks         time.Duration
}

// scheduled is an endpoint that goes through phases. It may have asked for a wait that ends after it
// begins to accept requests again. It must get no request before that wait is over.
type scheduled struct {
	phases []phase

	mu    sync.Mutex
	quiet time.Time
	asked time.Time // when it asked for that
	early int
}

func (s *scheduled) respond(ctx context.Context, _ event.Subscription, _ event.Claimed) event.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Before(s.quiet) && now.After(s.asked) {
		s.early++
	}
	for i := range s.phases {
		p := &s.phases[i]
		if now.Before(p.begins) || !now.Before(p.ends) || p.takes {
			continue
		}
		if until := now.Add(p.asks); until.After(s.quiet) {
			s.quiet, s.asked = until, now
		}
		o := refuses(p.asks)
		o.StatusCode = []int{429, 503}[i%2]
		return o
	}
	return answer(ctx, 200, 0)
}

// enough is how long an endpoint must accept requests so that everything is delivered: the longest
// wait that this service adds, and some time for parked deliveries.
const enough = 6 * time.Minute

// An endpoint responds 429 and 503 by a random schedule. It gets no request before the time that it
// asked for, and no event is lost that it would have accepted within 24 hours.
func TestNoScheduleOfRefusalsLosesAnEvent(t *testing.T) {
	lost, kept, seeds := 0, 0, refusalSeeds
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		inBubble(t, func(r *rig) {
			dice := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // chance that can be repeated
			s := &scheduled{}
			for at := time.Now(); at.Before(time.Now().Add(72 * time.Hour)); {
				p := phase{begins: at, takes: len(s.phases)%2 == 1}
				long := []time.Duration{10 * time.Minute, 3 * time.Hour, 30 * time.Hour}[dice.IntN(3)]
				p.ends = at.Add(time.Minute + time.Duration(dice.Int64N(int64(long))))
				p.asks = []time.Duration{time.Second, 20 * time.Second, 7 * time.Minute, 3 * time.Hour}[dice.IntN(4)]
				s.phases = append(s.phases, p)
				at = p.ends
			}
			r.endpoint = s.respond
			r.o.Policy = event.RetryPolicy{10 * time.Second, 30 * time.Second}
			r.run()
			sub := r.subscribe()
			posted := map[event.ID]time.Time{}
			for range 104 {
				if now := time.Now(); len(posted) < 52 { // for a day
					sub, _ = r.store.Subscription(context.Background(), sub.ID)
					id, _ := r.ingest(sub)
					posted[id] = now
				}
				r.wait(30 * time.Minute)
			}
			if s.early > 0 {
				t.Errorf("seed %d: %d requests before the time that the endpoint had asked for", seed, s.early)
			}
			for id, at := range posted {
				row := r.store.row(id)
				took := false
				for _, p := range s.phases {
					from := p.begins
					if at.After(from) {
						from = at
					}
					// An earlier phase may have asked for a time within this one. The latest counts.
					for _, before := range s.phases {
						if !before.takes && before.begins.Before(p.begins) && before.ends.Add(before.asks).After(from) {
							from = before.ends.Add(before.asks)
						}
					}
					took = took || p.takes && !from.Add(enough).After(p.ends) && !from.Add(enough).After(at.Add(event.MaxRefused))
				}
				switch {
				case row.d.Status == event.Delivered:
					kept++
				case took:
					t.Errorf("seed %d: an event of %v is %v, although the endpoint would have accepted it", seed, at.Sub(r.began), row.d.Status)
				default:
					lost++
				}
			}
			r.stop()
		})
	}
	if seeds > 10 && (lost == 0 || kept == 0) {
		t.Errorf("%d were delivered and %d were not, but the schedules must lead to both", kept, lost)
	}
}
