package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"
)

// EventType is a registered event type. Event types belong to the whole installation.
type EventType struct {
	Name        string          `json:"name"` // "invoice.paid"
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema,omitzero"`  // JSON Schema 2020-12 of an event's data; null: any data
	Example     json.RawMessage `json:"example,omitzero"` // a value of data; null: none
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
	ArchivedAt  time.Time       `json:"archived_at,omitzero"` // zero if it is in use
}

// EventTypeInput contains the fields of an event type that can be set.
type EventTypeInput struct {
	Description string          `json:"description,omitzero"`
	Schema      json.RawMessage `json:"schema,omitzero"`  // JSON Schema 2020-12 that an event's data must conform to; nil: any data
	Example     json.RawMessage `json:"example,omitzero"` // a value of data that conforms to the schema; nil: none
}

// Input returns the fields of the event type that can be set, to be changed and passed to
// [Client.PutEventType].
func (t EventType) Input() EventTypeInput {
	return EventTypeInput{Description: t.Description, Schema: t.Schema, Example: t.Example}
}

// PutEventType registers an event type, or sets all fields of a registered one to the values in in.
// From then on, events of this type are refused unless their data conforms to the schema.
func (c *Client) PutEventType(ctx context.Context, name string, in EventTypeInput) (t EventType, err error) {
	if name, err = escapeName("name of an event type", name); err != nil {
		return EventType{}, err
	}
	err = c.doJSON(ctx, "event type", in, call{method: http.MethodPut, path: "/event-types/" + name, into: &t})
	return t, err
}

// EventType reads one event type.
func (c *Client) EventType(ctx context.Context, name string) (t EventType, err error) {
	if name, err = escapeName("name of an event type", name); err != nil {
		return EventType{}, err
	}
	err = c.do(ctx, call{method: http.MethodGet, path: "/event-types/" + name, into: &t})
	return t, err
}

// ListEventTypes iterates over all event types by their names, and reads them page by page. It stops
// at the first error.
func (c *Client) ListEventTypes(ctx context.Context) iter.Seq2[EventType, error] {
	return list[EventType](ctx, c, "/event-types/", nil)
}

// ArchiveEventType archives an event type: its schema no longer applies.
func (c *Client) ArchiveEventType(ctx context.Context, name string) error {
	name, err := escapeName("name of an event type", name)
	if err != nil {
		return err
	}
	return c.do(ctx, call{method: http.MethodDelete, path: "/event-types/" + name})
}
