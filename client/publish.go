package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Event is an event to publish.
type Event struct {
	Type string // "user.created"
	// Data is any value that encoding/json can encode. A json.RawMessage is sent unchanged, byte
	// for byte.
	Data any
	// IdempotencyKey makes it safe to publish the event again: events with the same key are stored
	// once. Use up to 255 printable ASCII characters that no other event uses.
	IdempotencyKey string
}

// Receipt is the response to an accepted or filtered event.
type Receipt struct {
	DeliveryID string `json:"delivery_id"` // for [Client.Delivery]
	EventID    string `json:"event_id"`    // endpoints get it as webhook-id
	// Status is "pending", or "filtered" if the subscription does not want the event's type. A
	// filtered event has no ids: it is neither stored nor delivered.
	Status string `json:"status"`
	Reason string `json:"reason,omitzero"` // why it was filtered
}

// Filtered reports whether the subscription did not want the event.
func (r Receipt) Filtered() bool { return r.Status == "filtered" }

// Publish publishes an event to a subscription. If it returns a receipt that is not filtered, the
// event is on disk and will be delivered.
func (c *Client) Publish(ctx context.Context, subscriptionID string, e Event) (r Receipt, err error) {
	id, err := escape("subscription", subscriptionID)
	if err != nil {
		return Receipt{}, err
	}
	body, err := e.body()
	if err != nil {
		return Receipt{}, err
	}
	err = c.do(ctx, call{
		method: http.MethodPost, path: "/webhooks/ingest/" + id, body: body, idempotencyKey: e.IdempotencyKey, into: &r,
	})
	return r, err
}

// body returns the body that the endpoint will get. It is assembled by hand because encoding/json
// would rewrite a json.RawMessage.
func (e Event) body() ([]byte, error) {
	data, isRaw := e.Data.(json.RawMessage)
	if isRaw && !json.Valid(data) {
		return nil, errors.New("the event's data is not JSON")
	}
	if !isRaw {
		var err error
		if data, err = marshal(e.Data); err != nil {
			return nil, fmt.Errorf("write the event's data as JSON: %w", err)
		}
	}
	eventType, err := marshal(e.Type)
	if err != nil {
		return nil, fmt.Errorf("write the event's type as JSON: %w", err)
	}
	b := make([]byte, 0, len(data)+len(eventType)+20)
	b = append(append(b, `{"event":`...), eventType...)
	b = append(append(b, `,"data":`...), data...)
	return append(b, '}'), nil
}

// marshal does not escape <, > and &, because this JSON is never part of HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
