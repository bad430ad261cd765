package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// Integrity is the result of a check of all stored data.
type Integrity struct {
	Status     string         `json:"status" enum:"ok,degraded" doc:"degraded if there are findings."`
	CheckedAt  time.Time      `json:"checked_at"`
	TookMS     float64        `json:"took_ms"`
	Deliveries map[string]int `json:"deliveries" doc:"The number of stored deliveries by status: accepted = delivered + failed + pending + cancelled."`
	Findings   []Finding      `json:"findings"`
}

// Finding is a rule that the stored data breaks.
type Finding struct {
	Rule     string     `json:"rule" doc:"The name of the rule; it is stable."`
	Found    int        `json:"found"`
	AtLeast  bool       `json:"at_least,omitempty" doc:"Whether there may be more than found says."`
	What     string     `json:"what"`
	Oldest   string     `json:"oldest,omitempty" doc:"The id of the oldest delivery that was found, or of the oldest event if events without a delivery were found."`
	OldestAt *time.Time `json:"oldest_at,omitempty"`
	Advice   string     `json:"advice" doc:"What to do."`
}

func (a *api) getIntegrity(w http.ResponseWriter, r *http.Request, _ call) error {
	report, err := a.Integrity(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, report)
}

func (a *api) integrityOperations(types huma.Registry) []operation {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	sound := Integrity{
		Status: StatusOK, CheckedAt: at, TookMS: 41.2, Findings: []Finding{},
		Deliveries: map[string]int{"delivered": 12045, "failed": 3, "pending": 12, "cancelled": 0},
	}
	return []operation{{needs: event.ScopeRead, allTenants: true, serve: a.getIntegrity, Operation: huma.Operation{
		OperationID: "getIntegrity", Method: http.MethodGet, Path: "/health/integrity",
		Tags: []string{tagService}, Summary: "Check data integrity",
		Description: "Reads all stored data, at most once every 30 seconds. `hookferry doctor` makes the same check.",
		Responses:   map[string]*huma.Response{"200": jsonResponse(types, "The counts and the findings.", sound)},
	}}}
}
