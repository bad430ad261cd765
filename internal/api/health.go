package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Values of Health.Status and Component.Status.
const (
	StatusOK       = "ok"
	StatusDegraded = "degraded" // works, but not as it should
	StatusDown     = "down"     // does not work
)

// Health is the state of the service. Anyone may read it.
type Health struct {
	Status        string               `json:"status" enum:"ok,degraded,down"`
	Version       string               `json:"version"`
	UptimeSeconds float64              `json:"uptime_seconds"`
	Components    map[string]Component `json:"components" doc:"The components by name: database; with PostgreSQL also clock, and redis if it is used. The service works without the last two, so their status is never worse than degraded."`
	Queue         Queue                `json:"queue"`
}

// Component is the state of one part of the service.
type Component struct {
	Status    string  `json:"status" enum:"ok,degraded,down"`
	LatencyMS float64 `json:"latency_ms" doc:"How long its response took."`
	Error     string  `json:"error,omitempty" doc:"What is wrong; absent if nothing is."`
}

const codeNotReady = "not_ready"

// Queue counts pending deliveries. Its numbers are null while the database is unavailable.
type Queue struct {
	Pending          *int         `json:"pending" doc:"All pending deliveries; null, like the next three, if the number is not known."`
	Leased           *int         `json:"leased" doc:"Pending deliveries that a node has claimed."`
	Due              *int         `json:"due" doc:"Pending deliveries that are due and that no node has claimed."`
	OldestDueSeconds *float64     `json:"oldest_due_seconds" doc:"How long the oldest of the due deliveries has been due."`
	CountedAt        *time.Time   `json:"counted_at" doc:"When this was last counted; null if never."`
	LastKnown        *QueueCounts `json:"last_known,omitempty" doc:"The numbers at counted_at, if those above are null; otherwise absent."`
}

// QueueCounts are the results of one count.
type QueueCounts struct {
	Pending          int     `json:"pending"`
	Leased           int     `json:"leased"`
	Due              int     `json:"due"`
	OldestDueSeconds float64 `json:"oldest_due_seconds"`
}

// NewQueue returns the result of a count made at the given time, or of none if that is zero. If
// isCurrent is false, the numbers go into LastKnown.
func NewQueue(n QueueCounts, at time.Time, isCurrent bool) Queue {
	switch q := (Queue{CountedAt: timeOrNull(at)}); {
	case at.IsZero():
		return q
	case !isCurrent:
		q.LastKnown = &n
		return q
	default:
		q.Pending, q.Leased, q.Due, q.OldestDueSeconds = &n.Pending, &n.Leased, &n.Due, &n.OldestDueSeconds
		return q
	}
}

// Alive is the body of a successful liveness or readiness probe.
type Alive struct {
	Status string `json:"status" const:"ok"`
}

func (a *api) getHealth(w http.ResponseWriter, r *http.Request, _ call) error {
	h := a.Health(r.Context())
	status := http.StatusOK
	if h.Status == StatusDown {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", retryAfter)
	}
	return writeJSON(w, status, h)
}

func (a *api) getLiveness(w http.ResponseWriter, _ *http.Request, _ call) error {
	return writeJSON(w, http.StatusOK, Alive{Status: StatusOK})
}

func (a *api) getReadiness(w http.ResponseWriter, _ *http.Request, _ call) error {
	if err := a.Ready(); err != nil {
		return newProblem(http.StatusServiceUnavailable, codeNotReady, "The service does not accept events now: "+err.Error())
	}
	return writeJSON(w, http.StatusOK, Alive{Status: StatusOK})
}

func (a *api) healthOperations(types huma.Registry) []operation {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	counts := QueueCounts{Pending: 12, Leased: 8}
	up := Health{
		Status: StatusOK, Version: "1.0.0", UptimeSeconds: 86400,
		Components: map[string]Component{"database": {Status: StatusOK, LatencyMS: 0.4}, "redis": {Status: StatusOK, LatencyMS: 0.1}},
		Queue:      NewQueue(counts, at, true),
	}
	down := Health{
		Status: StatusDown, Version: "1.0.0", UptimeSeconds: 86400,
		Components: map[string]Component{"database": {Status: StatusDown, LatencyMS: 5000, Error: "no response within 5s"}},
		Queue:      NewQueue(counts, at, false),
	}
	alive := func(description string) *huma.Response {
		return jsonResponse(types, description, Alive{Status: StatusOK})
	}
	return []operation{
		{needs: public, serve: a.getHealth, Operation: huma.Operation{
			OperationID: "getHealth", Method: http.MethodGet, Path: "/health",
			Tags: []string{tagService}, Summary: "Show the state of each component, and the length of the queue",
			Responses: map[string]*huma.Response{
				"200": jsonResponse(types, "The service works: its status is ok or degraded.", up),
				"503": jsonResponse(types, "The service can't work.", down),
			},
		}},
		{needs: public, serve: a.getLiveness, Operation: huma.Operation{
			OperationID: "getLiveness", Method: http.MethodGet, Path: "/livez",
			Tags: []string{tagService}, Summary: "Check that the process is alive, whatever the state of the database",
			Responses: map[string]*huma.Response{"200": alive("The process is alive.")},
		}},
		{needs: public, serve: a.getReadiness, Operation: huma.Operation{
			OperationID: "getReadiness", Method: http.MethodGet, Path: "/readyz",
			Tags: []string{tagService}, Summary: "Check that the service accepts events; fails as soon as it begins to stop",
			Responses: responses(map[string]*huma.Response{"200": alive("The service accepts events.")}, 503),
		}},
	}
}
