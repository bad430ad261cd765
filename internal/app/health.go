package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/api"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/redis"
	"github.com/hookferry/hookferry/internal/store"
)

const (
	// healthFresh is how long a report is reused: anyone may ask, and each new one counts the
	// pending deliveries.
	healthFresh = time.Second
	// healthTimeout is how long a response of the database may take before it counts as down.
	healthTimeout = 2 * time.Second
	// countTimeout is how long the database may take to count the pending deliveries.
	countTimeout = time.Minute
	// countShare bounds the cost of counting: the pause after a count is countShare times as long
	// as the count took, up to countPause. PostgreSQL takes long if an old snapshot keeps dead rows
	// from vacuum.
	countShare = 20
	countPause = 20 * time.Second
)

// health reports the state of the service. At most one check is in flight at a time; all callers in
// the meantime wait for it. If the database hangs, they wait for healthTimeout at most.
type health struct {
	store   store.Store
	redis   *redis.Client // nil if Redis is not used
	clock   store.Clock   // nil if the database has no clock of its own
	version string
	started time.Time

	mu      sync.Mutex
	running chan struct{} // closed when the check in flight ends; nil if there is none
	// counting is the same for the count of pending deliveries.
	counting chan struct{}
	at       time.Time // of the last check
	took     time.Duration
	depth    event.Depth
	counted  time.Time // when the count in depth began
	countAt  time.Time // when the next count may begin
	err      error     // why the service can't work, or nil
}

func newHealth(s store.Store, r *redis.Client, version string) *health {
	return &health{store: s, redis: r, version: version, started: time.Now()}
}

// report returns a report that is at most healthFresh old.
func (h *health) report(ctx context.Context) api.Health {
	err := h.failure(ctx)
	if err == nil {
		h.awaitCount(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	database := api.Component{Status: api.StatusOK, LatencyMS: float64(h.took.Microseconds()) / 1000}
	if err != nil {
		database = api.Component{Status: api.StatusDown, LatencyMS: database.LatencyMS, Error: publicReason(err)}
	}
	report := api.Health{
		Status:        database.Status,
		Version:       h.version,
		UptimeSeconds: time.Since(h.started).Seconds(),
		Components:    map[string]api.Component{"database": database},
		Queue: api.NewQueue(api.QueueCounts{
			Pending: h.depth.Pending, Leased: h.depth.Leased, Due: h.depth.Due, OldestDueSeconds: h.depth.OldestDue.Seconds(),
		}, h.counted, err == nil),
	}
	h.addClock(&report)
	if h.redis != nil {
		h.addRedis(&report)
	}
	return report
}

// publicReason says why the service can't work, in words that anyone may read.
func publicReason(err error) string {
	if errors.Is(err, event.ErrFull) {
		return "the disk that holds the database is full: free disk space, and the service continues by itself"
	}
	return "the database can't be read or written right now"
}

// maxClockOffset is how far the clocks of this machine and the database may be apart before the report
// says so. The service corrects for the difference, but endpoints refuse requests that seem to have
// been signed minutes ago.
const maxClockOffset = time.Minute

func (h *health) addClock(report *api.Health) {
	if h.clock == nil {
		return
	}
	c := api.Component{Status: api.StatusOK}
	if offset := h.clock.ClockOffset().Round(time.Second); offset.Abs() > maxClockOffset {
		c = api.Component{Status: api.StatusDegraded, Error: fmt.Sprintf(
			"this machine's clock and that of the database are %s apart: synchronize both with NTP, or endpoints may refuse signatures because of their time", offset.Abs())}
		degrade(report)
	}
	report.Components["clock"] = c
}

// degrade lowers the status to degraded.
func degrade(report *api.Health) {
	if report.Status == api.StatusOK {
		report.Status = api.StatusDegraded
	}
}

// addRedis reports on Redis. The service works without it, only slower.
func (h *health) addRedis(report *api.Health) {
	c := api.Component{Status: api.StatusOK, LatencyMS: float64(h.redis.Latency().Microseconds()) / 1000}
	if h.redis.Failure() != nil {
		c = api.Component{Status: api.StatusDegraded, Error: "Redis is unavailable; the database does its work instead"}
		degrade(report)
	}
	report.Components["redis"] = c
}

// failure returns the reason why the service can't work, or nil.
func (h *health) failure(ctx context.Context) error {
	h.mu.Lock()
	if time.Since(h.at) < healthFresh {
		defer h.mu.Unlock()
		return h.err
	}
	if h.running == nil {
		h.running = make(chan struct{})
		go h.check()
	}
	running := h.running
	h.mu.Unlock()

	timeout := time.NewTimer(healthTimeout)
	defer timeout.Stop()
	select {
	case <-running:
	case <-timeout.C:
		return errors.New("the database does not respond")
	case <-ctx.Done():
		return ctx.Err()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *health) check() {
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	start := time.Now()
	err := h.store.Ping(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.took, h.err = time.Now(), time.Since(start), err
	if err == nil && h.counting == nil && !time.Now().Before(h.countAt) {
		h.counting = make(chan struct{})
		go h.count()
	}
	close(h.running)
	h.running = nil
}

// count counts the pending deliveries. Counting millions takes longer than a caller should wait, so
// the last count stays in use until this one is done. A long queue is no reason to refuse events.
func (h *health) count() {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	began := time.Now()
	depth, err := h.store.Depth(ctx, began)
	h.mu.Lock()
	defer h.mu.Unlock()
	ended := time.Now()
	h.countAt = ended.Add(min(countShare*ended.Sub(began), countPause))
	if err == nil {
		h.depth, h.counted = depth, began.Truncate(time.Millisecond)
	}
	close(h.counting)
	h.counting = nil
}

// awaitCount waits for the count in flight, if there is one.
func (h *health) awaitCount(ctx context.Context) {
	h.mu.Lock()
	counting := h.counting
	h.mu.Unlock()
	if counting == nil {
		return
	}
	select {
	case <-counting:
	case <-time.After(healthTimeout):
	case <-ctx.Done():
	}
}
