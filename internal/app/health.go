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
	// healthFresh is for how long a report is not made anew: anybody may ask, and
	// each report counts what is pending.
	healthFresh = time.Second
	// healthTimeout is how long the database may take before it counts as down.
	healthTimeout = 2 * time.Second
	// countTimeout is how long it may count what is pending.
	countTimeout = time.Minute
)

// health makes the report of how the service is. One check is under way at most,
// whoever asks meanwhile waits for it, and a database that hangs holds up nobody for
// longer than healthTimeout.
type health struct {
	store   store.Store
	redis   *redis.Client // nil where there is none
	clock   store.Clock   // nil if the database has none of its own
	version string
	started time.Time

	mu      sync.Mutex
	running chan struct{} // closed when the check under way has ended; nil if there is none
	// counting is the same for the count of what is pending.
	counting chan struct{}
	at       time.Time // of the last check
	took     time.Duration
	depth    event.Depth
	counted  time.Time // when the count of depth began
	err      error     // why no work can be done, or nil
}

func newHealth(s store.Store, r *redis.Client, version string) *health {
	return &health{store: s, redis: r, version: version, started: time.Now()}
}

// report is at most healthFresh old.
func (h *health) report(ctx context.Context) api.Health {
	err := h.failure(ctx)
	if err == nil {
		h.awaitCount(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	database := api.Component{Status: api.StatusOK, LatencyMS: float64(h.took.Microseconds()) / 1000}
	if err != nil {
		database = api.Component{Status: api.StatusDown, LatencyMS: database.LatencyMS, Error: inWords(err)}
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

// inWords is what anybody may read of why no work can be done.
func inWords(err error) string {
	if errors.Is(err, event.ErrFull) {
		return "the disk that holds the database is full: make room, and the service goes on by itself"
	}
	return "the database can't be read or written at present"
}

// clockMost is how far the two may be apart before the report says so. The service
// takes it into account, but receivers refuse what seems to have been signed minutes ago.
const clockMost = time.Minute

func (h *health) addClock(report *api.Health) {
	if h.clock == nil {
		return
	}
	c := api.Component{Status: api.StatusOK}
	if offset := h.clock.ClockOffset().Round(time.Second); offset.Abs() > clockMost {
		c = api.Component{Status: api.StatusDegraded, Error: fmt.Sprintf(
			"this machine's clock and the database's are %s apart: set both by NTP, or receivers may refuse what is signed with a time so far off", offset.Abs())}
		degrade(report)
	}
	report.Components["clock"] = c
}

// degrade notes that the work goes on, but not as it should.
func degrade(report *api.Health) {
	if report.Status == api.StatusOK {
		report.Status = api.StatusDegraded
	}
}

// addRedis says how Redis is. Without it the work goes on, only slower.
func (h *health) addRedis(report *api.Health) {
	c := api.Component{Status: api.StatusOK, LatencyMS: float64(h.redis.Latency().Microseconds()) / 1000}
	if h.redis.Failure() != nil {
		c = api.Component{Status: api.StatusDegraded, Error: "Redis can't be used at present; the database does its part"}
		degrade(report)
	}
	report.Components["redis"] = c
}

// failure says why no work can be done, or nil.
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
		return errors.New("the database does not answer")
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
	if err == nil && h.counting == nil {
		h.counting = make(chan struct{})
		go h.count()
	}
	close(h.running)
	h.running = nil
}

// count counts what is pending. Millions take longer than anybody should wait for, and
// that the queue is long is no reason to take no more events: the last count stands.
func (h *health) count() {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	began := time.Now()
	depth, err := h.store.Depth(ctx, began)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.depth, h.counted = depth, began.Truncate(time.Millisecond)
	}
	close(h.counting)
	h.counting = nil
}

// awaitCount waits for the count under way, if there is one.
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
