package client

import (
	"context"
	"fmt"
	"net/http"
)

// BatchResult is what became of one event of a batch: it was published, or there is a problem.
type BatchResult struct {
	Published
	Status int            `json:"status,omitzero"` // the HTTP status that the event would have had alone; 0 if it was published
	Code   string         `json:"code,omitzero"`   // the kind of problem, for programs
	Detail string         `json:"detail,omitzero"` // what is wrong and what to do
	Errors []FieldProblem `json:"errors,omitzero"` // what is wrong with each field, if the problem is in fields
}

// Err returns nil if the event was published, and otherwise a [*Problem].
func (r BatchResult) Err() error {
	if r.Status == 0 {
		return nil
	}
	return &Problem{Status: r.Status, Code: r.Code, Title: http.StatusText(r.Status), Detail: clip(r.Detail), Errors: r.Errors}
}

// PublishBatch publishes up to 1,000 events, and returns one result for each, in their order. An
// event that is wrong does not stop the others: check [BatchResult.Err] of each. Events whose result
// has the Code "not_taken" were not stored, because the batch took too long or made too many
// deliveries; publish them again.
func (c *Client) PublishBatch(ctx context.Context, events []Event) ([]BatchResult, error) {
	body := []byte(`{"events":[`)
	for i, e := range events {
		one, err := e.body()
		if err != nil {
			return nil, fmt.Errorf("event %d of the batch: %w", i, err)
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, one...)
	}
	var out struct {
		Results []BatchResult `json:"results"`
	}
	err := c.do(ctx, call{method: http.MethodPost, path: "/events/batch", body: append(body, "]}"...), into: &out})
	if err == nil && len(out.Results) != len(events) {
		err = fmt.Errorf("the response to a batch of %d events has %d results; check the service's URL", len(events), len(out.Results))
	}
	if err != nil {
		return nil, err
	}
	return out.Results, nil
}
