package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Meta is what a program may want to know about the service before it uses it.
type Meta struct {
	Version          string     `json:"version"`
	RetentionSeconds float64    `json:"retention_seconds" doc:"How long settled deliveries are kept, with their events and attempts (LOG_RETENTION)."`
	Limits           MetaLimits `json:"limits"`
	Tenant           *string    `json:"tenant" doc:"The tenant that the key is bound to; null if it is bound to none."`
	Features         []string   `json:"features" nullable:"false" doc:"What this release can do. A name that is listed once stays."`
}

// MetaLimits are limits on requests.
type MetaLimits struct {
	BodyBytes   int64 `json:"body_bytes" doc:"Of a request body, and of one event of a batch (HOOKFERRY_MAX_BODY)."`
	BatchBytes  int64 `json:"batch_bytes" doc:"Of the body of a batch."`
	BatchEvents int   `json:"batch_events"`
	Page        int   `json:"page" doc:"The largest limit of a list."`
}

// features lists what this release can do, in the order in which it came.
func features() []string { return []string{"ingest", "tenants", "publish", "match", "event_types"} }

func (a *api) getMeta(w http.ResponseWriter, _ *http.Request, c call) error {
	m := Meta{Version: a.Version, RetentionSeconds: a.Retention.Seconds(), Features: features(), Limits: MetaLimits{
		BodyBytes: a.MaxBody, BatchBytes: a.batchBytes(), BatchEvents: maxBatch, Page: maxLimit,
	}}
	if c.view.IsBound() {
		m.Tenant = ptr(c.view.DefaultTenant())
	}
	return writeJSON(w, http.StatusOK, m)
}

func (a *api) metaOperation(types huma.Registry) operation {
	example := Meta{Version: "1.0.0", RetentionSeconds: 259200, Features: features(), Limits: MetaLimits{
		BodyBytes: DefaultMaxBody, BatchBytes: maxBatchBytes, BatchEvents: maxBatch, Page: maxLimit,
	}}
	return operation{needs: publishOrRead, serve: a.getMeta, Operation: huma.Operation{
		OperationID: "getMeta", Method: http.MethodGet, Path: "/meta",
		Tags: []string{tagService}, Summary: "Show the version, limits and features of the service",
		Responses: map[string]*huma.Response{"200": jsonResponse(types, "What the service is and can do.", example)},
	}}
}
