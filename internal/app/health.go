package app

import (
	"context"
	"sync"
	"time"

	"hookferry/internal/api"
	"hookferry/internal/event"
	"hookferry/internal/store"
)

const (
	// healthFresh is for how long a report is not made anew: anybody may ask, and
	// each report counts what is pending.
	healthFresh = time.Second
	// healthTimeout is how long the database may take before it counts as down.
	healthTimeout = 2 * time.Second
)

// health makes the report of how the service is.
type health struct {
	store   store.Store
	version string
	started time.Time

	mu   sync.Mutex
	at   time.Time
	last api.Health
	err  error // why no work can be done, or nil
}

func newHealth(s store.Store, version string) *health {
	return &health{store: s, version: version, started: time.Now()}
}

func (h *health) report(ctx context.Context) api.Health {
	last, _ := h.read(ctx)
	last.UptimeSeconds = time.Since(h.started).Seconds()
	return last
}

// failure says why no work can be done, or nil.
func (h *health) failure(ctx context.Context) error {
	_, err := h.read(ctx)
	return err
}

func (h *health) read(ctx context.Context) (api.Health, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) < healthFresh {
		return h.last, h.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
	defer cancel()
	start := time.Now()
	err := h.store.Ping(ctx)
	took := time.Since(start)
	var depth event.Depth
	if err == nil {
		depth, err = h.store.Depth(ctx, time.Now())
	}
	h.at, h.err = time.Now(), err
	h.last = api.Health{
		Status:  api.StatusOK,
		Version: h.version,
		Components: map[string]api.Component{
			"database": {Status: api.StatusOK, LatencyMS: float64(took.Microseconds()) / 1000},
		},
		Queue: api.Queue{
			Pending: depth.Pending, Leased: depth.Leased, Due: depth.Due, OldestDueSeconds: depth.OldestDue.Seconds(),
		},
	}
	if err != nil {
		h.last.Status = api.StatusDown
		h.last.Components["database"] = api.Component{
			Status: api.StatusDown, LatencyMS: float64(took.Microseconds()) / 1000, Error: "the database can't be read or written at present",
		}
	}
	return h.last, h.err
}
