package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
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

	// The rest is for events that are published to a tenant. [Client.PublishTo] refuses it.

	Tenant         string            // the tenant must exist; "": that of the key, or default
	Channels       []string          // a subscription with channels gets the event only if they share one
	Metadata       map[string]string // your own; filters can use it, and it is never sent
	DeliverAt      time.Time         // when to deliver it; zero: at once
	SubscriptionID string            // the only subscription that may get it; "": all that match
	NoRetry        bool              // a failed attempt is not retried
}

// Published is the response to an event that was published to a tenant. The event is on disk.
type Published struct {
	EventID    string `json:"event_id"` // endpoints get it as webhook-id
	Tenant     string `json:"tenant"`
	Deliveries int    `json:"deliveries"` // one for each subscription that matches; it may be 0
	Refused    int    `json:"refused"`    // how many of them failed at once, because their subscription has too many pending deliveries
	Duplicate  bool   `json:"duplicate"`  // the idempotency key was used before with the same event: nothing new was stored
}

// Publish publishes an event to a tenant. If it returns without an error, the event is on disk and
// will be delivered to each of the tenant's subscriptions that wants it.
func (c *Client) Publish(ctx context.Context, e Event) (p Published, err error) {
	key := e.IdempotencyKey
	e.IdempotencyKey = "" // it is sent as a header, as by PublishTo
	body, err := e.body()
	if err != nil {
		return Published{}, err
	}
	err = c.do(ctx, call{method: http.MethodPost, path: "/events/", body: body, idempotencyKey: key, into: &p})
	return p, err
}

// Receipt is the response to an event that was published to one subscription.
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

// PublishTo publishes an event to one subscription, and takes only the event's Type, Data and
// IdempotencyKey. If it returns a receipt that is not filtered, the event is on disk and will be
// delivered.
func (c *Client) PublishTo(ctx context.Context, subscriptionID string, e Event) (r Receipt, err error) {
	id, err := escape("subscription", subscriptionID)
	if err != nil {
		return Receipt{}, err
	}
	if e.isForTenant() {
		return Receipt{}, errors.New("an event for one subscription has only a type, data and an idempotency key; to publish this event, use Publish with its SubscriptionID")
	}
	key := e.IdempotencyKey
	e.IdempotencyKey = "" // this path has no such field
	body, err := e.body()
	if err != nil {
		return Receipt{}, err
	}
	err = c.do(ctx, call{method: http.MethodPost, path: "/webhooks/ingest/" + id, body: body, idempotencyKey: key, into: &r})
	return r, err
}

// isForTenant reports whether the event has a field that only Publish can send.
func (e Event) isForTenant() bool {
	return e.Tenant != "" || len(e.Channels) > 0 || len(e.Metadata) > 0 || !e.DeliverAt.IsZero() || e.SubscriptionID != "" || e.NoRetry
}

// publication has the fields of an event in the API, except data.
type publication struct {
	Event          string            `json:"event"`
	Tenant         string            `json:"tenant,omitzero"`
	Channels       []string          `json:"channels,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	DeliverAt      time.Time         `json:"deliver_at,omitzero"`
	SubscriptionID string            `json:"subscription_id,omitzero"`
	Retry          *bool             `json:"retry,omitzero"`
	IdempotencyKey string            `json:"idempotency_key,omitzero"`
}

// body returns the event as JSON. Its data is added by hand, because encoding/json would rewrite a
// json.RawMessage.
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
	p := publication{
		Event: e.Type, Tenant: e.Tenant, Channels: e.Channels, Metadata: e.Metadata, DeliverAt: e.DeliverAt,
		SubscriptionID: e.SubscriptionID, IdempotencyKey: e.IdempotencyKey,
	}
	if e.NoRetry {
		p.Retry = new(bool)
	}
	b, err := marshal(p)
	if err != nil {
		return nil, fmt.Errorf("write the event as JSON: %w", err)
	}
	b = append(b[:len(b)-1], `,"data":`...)
	return append(append(b, data...), '}'), nil
}
