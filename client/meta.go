package client

import (
	"context"
	"net/http"
)

// Meta says what the service is and which limits it has.
type Meta struct {
	Version          string     `json:"version"`
	RetentionSeconds float64    `json:"retention_seconds"` // how long settled deliveries are kept, with their events and attempts
	Limits           MetaLimits `json:"limits"`
	Tenant           string     `json:"tenant,omitzero"` // the tenant that the client's key is bound to; "": none
	Features         []string   `json:"features"`        // what this release can do; a name that is listed once stays
}

// MetaLimits are limits of requests.
type MetaLimits struct {
	BodyBytes   int `json:"body_bytes"`   // of a request body, and of one event of a batch
	BatchBytes  int `json:"batch_bytes"`  // of the body of a batch
	BatchEvents int `json:"batch_events"` // of a batch
	Page        int `json:"page"`         // of the items of a page of a list
}

// Meta reads what the service is and which limits it has.
func (c *Client) Meta(ctx context.Context) (m Meta, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/meta", into: &m})
	return m, err
}
