package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// What Health.Status and Component.Status may be.
const (
	StatusOK       = "ok"
	StatusDegraded = "degraded" // work goes on, but not as it should
	StatusDown     = "down"     // work can't be done
)

// Health is how the service is. Anybody may read it.
type Health struct {
	Status        string               `json:"status" enum:"ok,degraded,down"`
	Version       string               `json:"version"`
	UptimeSeconds float64              `json:"uptime_seconds"`
	Components    map[string]Component `json:"components" doc:"By name: database; on PostgreSQL the clock, and redis where it is used. With those the work goes on, so they are degraded at worst."`
	Queue         Queue                `json:"queue"`
}

// Component is how one part of the service is.
type Component struct {
	Status    string  `json:"status" enum:"ok,degraded,down"`
	LatencyMS float64 `json:"latency_ms" doc:"How long it took to answer."`
	Error     string  `json:"error,omitempty" doc:"What is wrong with it; absent if nothing is."`
}

const codeNotReady = "not_ready"

// Queue is what is still to be delivered. Its numbers are null while the database can't be asked.
type Queue struct {
	Pending          *int         `json:"pending" doc:"All deliveries that are not settled; null, as the three after it, if that is not known at present."`
	Leased           *int         `json:"leased" doc:"Of these, in the hands of a node."`
	Due              *int         `json:"due" doc:"Of these, due and leased by no node."`
	OldestDueSeconds *float64     `json:"oldest_due_seconds" doc:"For how long the oldest of those has been due."`
	CountedAt        *time.Time   `json:"counted_at" doc:"When this was counted last; null if it never was."`
	LastKnown        *QueueCounts `json:"last_known,omitempty" doc:"What was counted at counted_at, while the numbers above are null; absent otherwise."`
}

// QueueCounts are the numbers of a count.
type QueueCounts struct {
	Pending          int     `json:"pending"`
	Leased           int     `json:"leased"`
	Due              int     `json:"due"`
	OldestDueSeconds float64 `json:"oldest_due_seconds"`
}

// NewQueue is a queue that was counted at a time, which is zero if it never was. Its numbers are
// the present ones if isKnown, and else the last ones that were known.
func NewQueue(n QueueCounts, at time.Time, isKnown bool) Queue {
	switch q := (Queue{CountedAt: timeOrNull(at)}); {
	case at.IsZero():
		return q
	case !isKnown:
		q.LastKnown = &n
		return q
	default:
		q.Pending, q.Leased, q.Due, q.OldestDueSeconds = &n.Pending, &n.Leased, &n.Due, &n.OldestDueSeconds
		return q
	}
}

// Alive is the answer of an orchestrator's probe that passed.
type Alive struct {
	Status string `json:"status" const:"ok"`
}

func (a *api) getHealth(w http.ResponseWriter, r *http.Request, _ params) error {
	h := a.Health(r.Context())
	status := http.StatusOK
	if h.Status == StatusDown {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", retryAfter)
	}
	return writeJSON(w, status, h)
}

func (a *api) getLiveness(w http.ResponseWriter, _ *http.Request, _ params) error {
	return writeJSON(w, http.StatusOK, Alive{Status: StatusOK})
}

func (a *api) getReadiness(w http.ResponseWriter, _ *http.Request, _ params) error {
	if err := a.Ready(); err != nil {
		return newProblem(http.StatusServiceUnavailable, codeNotReady, "Events can't be taken at present: "+err.Error())
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
		Components: map[string]Component{"database": {Status: StatusDown, LatencyMS: 5000, Error: "no answer within 5s"}},
		Queue:      NewQueue(counts, at, false),
	}
	alive := func(description string) *huma.Response { return answer(types, description, Alive{Status: StatusOK}) }
	return []operation{
		{needs: anybody, serve: a.getHealth, Operation: huma.Operation{
			OperationID: "getHealth", Method: http.MethodGet, Path: "/health",
			Tags: []string{tagService}, Summary: "How each component is, and how long the queue",
			Responses: map[string]*huma.Response{
				"200": answer(types, "Work goes on: ok, or degraded.", up),
				"503": answer(types, "Work can't be done.", down),
			},
		}},
		{needs: anybody, serve: a.getLiveness, Operation: huma.Operation{
			OperationID: "getLiveness", Method: http.MethodGet, Path: "/livez",
			Tags: []string{tagService}, Summary: "Whether the process lives, whatever the database does",
			Responses: map[string]*huma.Response{"200": alive("It lives.")},
		}},
		{needs: anybody, serve: a.getReadiness, Operation: huma.Operation{
			OperationID: "getReadiness", Method: http.MethodGet, Path: "/readyz",
			Tags: []string{tagService}, Summary: "Whether events can be taken; false first when stopping",
			Responses: responses(map[string]*huma.Response{"200": alive("Events can be taken.")}, 503),
		}},
	}
}
