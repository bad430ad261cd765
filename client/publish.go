package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Event is what is published.
type Event struct {
	Type string // "user.created"
	// Data is any value that package encoding/json can write. A json.RawMessage is
	// sent as it is, byte for byte.
	Data any
	// IdempotencyKey makes it safe to publish the event again: under the same key it
	// is stored once. Any text of up to 255 printable ASCII characters that no other
	// event has.
	IdempotencyKey string
}

// Receipt is the answer to an event that was taken.
type Receipt struct {
	DeliveryID string `json:"delivery_id"` // for [Client.Delivery]
	EventID    string `json:"event_id"`    // what the receiver gets as webhook-id
	// Status is "pending", or "filtered" for an event whose type the subscription
	// does not want: it has no ids, nothing was stored and nothing is sent.
	Status string `json:"status"`
	Reason string `json:"reason,omitzero"` // why it was filtered
}

// Filtered reports whether the subscription did not want the event.
func (r Receipt) Filtered() bool { return r.Status == "filtered" }

// Publish sends an event to a subscription. When it returns a receipt that is not
// filtered, the event is on disk and its delivery follows.
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

// body is what the receiver will get. It is put together by hand because package
// encoding/json would rewrite a json.RawMessage.
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

// marshal leaves <, > and & as they are: this JSON goes into no HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
