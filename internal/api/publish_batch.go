package api

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
)

const (
	maxBatch      = 1000
	maxBatchBytes = 16 << 20
	// maxItemProblems limits the fields that one result names, and with it the size of a response.
	maxItemProblems = 5
)

// BatchInput is the body of a batch.
type BatchInput struct {
	Events []PublishInput `json:"events" minItems:"1" maxItems:"1000" nullable:"false" doc:"Each event is published as if it were sent alone, and may be as long."`
}

// BatchResults is the response to a batch.
type BatchResults struct {
	Results []BatchResult `json:"results" nullable:"false" doc:"One result for each event, in their order."`
}

// BatchResult is the result of one event: that of a publish, or a problem.
type BatchResult struct {
	EventID    *event.ID      `json:"event_id,omitempty" format:"uuid" doc:"Endpoints get it as webhook-id. It and the next four are absent if the event was not stored."`
	Tenant     *string        `json:"tenant,omitempty"`
	Deliveries *int           `json:"deliveries,omitempty"`
	Refused    *int           `json:"refused,omitempty"`
	Duplicate  *bool          `json:"duplicate,omitempty"`
	Status     int            `json:"status,omitempty" doc:"The HTTP status that the event would have had alone. It and the next three are absent if the event was stored."`
	Code       string         `json:"code,omitempty" doc:"The kind of problem, for programs."`
	Detail     string         `json:"detail,omitempty" doc:"What is wrong and what to do, for people."`
	Errors     []FieldProblem `json:"errors,omitempty" nullable:"false" doc:"What is wrong with each field, if the problem is in fields."`
}

// batchItem is one event of a batch: a publication, or why it can't be published.
type batchItem struct {
	pub event.Publication
	err error
}

// publishBatch publishes what can be published. Only JSON that is not valid, and a list that is empty
// or too long, refuse the whole batch.
func (a *api) publishBatch(w http.ResponseWriter, r *http.Request, c call) error {
	if len(r.Header["Idempotency-Key"]) > 0 {
		return event.Invalid("Idempotency-Key", "has no meaning for a batch; put idempotency_key into each event")
	}
	body, err := a.readBody(r, a.batchBytes())
	if err != nil {
		return err
	}
	defer body.release()
	items, err := a.readBatch(body.bytes)
	if err != nil {
		return err
	}
	var list []event.Publication
	for _, item := range items {
		if item.err == nil {
			list = append(list, item.pub)
		}
	}
	var results []event.PublishResult
	if len(list) > 0 {
		results = c.view.PublishAll(r.Context(), list)
	}
	a.writeBatch(w, r, items, results)
	faultpoint.Reach("api: responding")
	return nil
}

// batchBytes returns the limit on the body of a batch. One that memory could never hold would get the
// response that it may be sent again.
func (a *api) batchBytes() int64 { return min(maxBatchBytes, a.memory.limit) }

// readBatch reads the events of a batch.
func (a *api) readBatch(body []byte) ([]batchItem, error) {
	p, err := a.newPublishReader(body, maxItemProblems)
	if err != nil {
		return nil, err
	}
	defer p.free()
	if kind := p.json.PeekKind(); kind != '{' {
		if err := p.json.SkipValue(); err != nil {
			return nil, p.broken(err)
		}
		return nil, event.Invalid("body", "must be a JSON object, found "+kindWords(kind))
	}
	p.json.ReadToken() // can't fail after PeekKind
	var items []batchItem
	var faults []event.FieldError
	given := false
	for p.json.PeekKind() != '}' {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		if string(name) == "events" && !given {
			given = true
			items, faults, err = p.events(faults)
		} else {
			faults, err = p.refuse(string(name), faults)
		}
		if err != nil {
			return nil, err
		}
	}
	if _, err := p.json.ReadToken(); err != nil {
		return nil, p.broken(err)
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	if !given {
		faults = append(faults, event.FieldError{Field: "events", Message: "is missing; it is a list of 1 to 1,000 events"})
	}
	if len(faults) > 0 {
		return nil, &event.InvalidError{Fields: faults}
	}
	return items, nil
}

// refuse skips a member of the batch that may not be there.
func (p *publishReader) refuse(name string, faults []event.FieldError) ([]event.FieldError, error) {
	if err := p.json.SkipValue(); err != nil {
		return nil, p.broken(err)
	}
	if name == "events" && len(faults) < p.most {
		return append(faults, event.FieldError{Field: name, Message: "is given twice"}), nil
	}
	return p.unknown(name, []string{"events"}, faults), nil
}

// events reads the list of events.
func (p *publishReader) events(faults []event.FieldError) ([]batchItem, []event.FieldError, error) {
	if kind := p.json.PeekKind(); kind != '[' {
		if err := p.json.SkipValue(); err != nil {
			return nil, nil, p.broken(err)
		}
		return nil, append(faults, event.FieldError{Field: "events", Message: "must be a list, found " + kindWords(kind)}), nil
	}
	p.json.ReadToken() // can't fail after PeekKind
	var items []batchItem
	n := 0
	for ; p.json.PeekKind() != ']'; n++ {
		if n >= maxBatch { // only count the others
			if err := p.json.SkipValue(); err != nil {
				return nil, nil, p.broken(err)
			}
			continue
		}
		item, err := p.event(n)
		if err != nil {
			return nil, nil, err
		}
		items = append(items, item)
	}
	if _, err := p.json.ReadToken(); err != nil {
		return nil, nil, p.broken(err)
	}
	switch {
	case n == 0:
		faults = append(faults, event.FieldError{Field: "events", Message: "is empty; send 1 to 1,000 events"})
	case n > maxBatch:
		faults = append(faults, event.FieldError{Field: "events", Message: fmt.Sprintf("has %d events; at most 1,000 are allowed, so send several batches", n)})
	}
	return items, faults, nil
}

// event reads one event of the list. The error is about JSON that is not valid.
func (p *publishReader) event(n int) (batchItem, error) {
	before := p.json.InputOffset()
	pub, faults, err := p.publication()
	if err != nil {
		return batchItem{}, err
	}
	item := batchItem{pub: pub}
	length := len(bytes.TrimLeft(p.body[before:p.json.InputOffset()], ", \t\r\n"))
	switch {
	case int64(length) > p.api.MaxBody:
		item.err = newProblem(http.StatusRequestEntityTooLarge, "body_too_large", fmt.Sprintf("events[%d] is longer than the limit of %d bytes.", n, p.api.MaxBody))
	case len(faults) > 0:
		item.err = &event.InvalidError{Fields: inOrder(faults, &PublishInput{})}
	}
	return item, nil
}

// writeBatch writes the results. Those of publications that could be made come in their order.
func (a *api) writeBatch(w http.ResponseWriter, r *http.Request, items []batchItem, results []event.PublishResult) {
	b := make([]byte, 0, 64+192*len(items))
	b = append(b, `{"results":[`...)
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		err := item.err
		if err == nil {
			done := results[0]
			results = results[1:]
			if err = done.Err; err == nil {
				b = appendPublished(b, done.Published)
				continue
			}
		}
		b = append(b, a.batchProblem(r, i, err)...)
	}
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(http.StatusAccepted)
	w.Write(append(b, "]}\n"...))
}

// batchProblem returns the JSON of a BatchResult about an event that was not published. Its fields
// begin with the event's place in the list.
func (a *api) batchProblem(r *http.Request, i int, err error) []byte {
	p, known := problemOf(err)
	if !known {
		a.logFailed(r, err)
	}
	place := fmt.Sprintf("events[%d]", i)
	out := BatchResult{Status: p.Status, Code: p.Code, Detail: p.Detail}
	for _, f := range p.Errors {
		field := place + "." + f.Field
		if f.Field == "body" {
			field = place
		}
		if rest, isFirst := strings.CutPrefix(out.Detail, f.Field+": "); isFirst {
			out.Detail = field + ": " + rest
		}
		out.Errors = append(out.Errors, FieldProblem{Field: field, Message: f.Message})
	}
	text, _ := encode(out) // strings and numbers can always be encoded
	return text
}
