package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"time"
)

// Subscription says where webhooks go and which event types are wanted.
type Subscription struct {
	ID                   string            `json:"id"`
	TargetURL            string            `json:"target_url"`
	Description          string            `json:"description"`
	EventTypes           []string          `json:"event_types"` // patterns; empty: all
	IsActive             bool              `json:"is_active"`
	DisabledReason       string            `json:"disabled_reason,omitzero"` // why the service made it inactive; "" if it did not
	PausedAt             time.Time         `json:"paused_at,omitzero"`       // zero if it is not paused
	PausedBy             string            `json:"paused_by,omitzero"`       // the name of the API key that paused it
	PausedReason         string            `json:"paused_reason,omitzero"`
	FailingSince         time.Time         `json:"failing_since,omitzero"` // of its endpoint; zero if it is not failing
	RefusedSince         time.Time         `json:"refused_since,omitzero"` // since when its endpoint asks for no requests; zero if it does not
	NotBefore            time.Time         `json:"not_before,omitzero"`    // the latest time before which its endpoint asked for no requests; it may have passed
	RequireSignature     bool              `json:"require_signature"`
	HasSecret            bool              `json:"has_secret"`                      // the secret itself is never shown
	HeldReason           string            `json:"held_reason,omitzero"`            // why its deliveries wait although it is active; "" if they do not
	Headers              map[string]string `json:"headers"`                         // credentials are shown as [hidden]
	TimeoutSeconds       float64           `json:"timeout_seconds,omitzero"`        // 0: the service's setting
	RetryScheduleSeconds []float64         `json:"retry_schedule_seconds,omitzero"` // nil: the service's; empty: no retries
	MaxInFlight          int               `json:"max_in_flight,omitzero"`          // 0: the service's setting
	RatePerSecond        float64           `json:"rate_per_second,omitzero"`        // 0: no limit
	Body                 string            `json:"body"`                            // what a request carries: BodyEnvelope or BodyData
	CreatedAt            time.Time         `json:"created_at"`
	UpdatedAt            time.Time         `json:"updated_at"`
	ETag                 string            `json:"-"`                 // stands for the settings as they were read, for [IfMatch]; "" in a list
	Warnings             []string          `json:"warnings,omitzero"` // what was accepted but is unwise, and what a replace has reset; in the response to a create, replace or patch
}

// SubscriptionInput is what can be set of a subscription. Only TargetURL is needed.
type SubscriptionInput struct {
	TargetURL            string            `json:"target_url"`
	Secret               string            `json:"secret,omitzero"` // signs every delivery; "": none, or for a replaced subscription the one it has
	Description          string            `json:"description,omitzero"`
	EventTypes           []string          `json:"event_types,omitzero"` // "user.created", "user.*"; empty: all
	IsActive             *bool             `json:"is_active,omitzero"`   // nil: true
	RequireSignature     bool              `json:"require_signature,omitzero"`
	Headers              map[string]string `json:"headers,omitzero"`                // sent with every delivery; a value of [hidden] keeps the stored one
	TimeoutSeconds       float64           `json:"timeout_seconds,omitzero"`        // 0: the service's setting
	RetryScheduleSeconds []float64         `json:"retry_schedule_seconds,omitzero"` // nil: the service's; empty: no retries
	MaxInFlight          int               `json:"max_in_flight,omitzero"`          // 0: the service's setting
	RatePerSecond        float64           `json:"rate_per_second,omitzero"`        // 0: no limit
	Body                 string            `json:"body,omitzero"`                   // BodyEnvelope or BodyData; "": BodyEnvelope
}

// What a request to the endpoint carries.
const (
	BodyEnvelope = "envelope" // the event as it was posted, byte for byte
	BodyData     = "data"     // the value of data alone; the header webhook-event holds the type
)

// Input is what was set of the subscription, to change and to give to
// [Client.ReplaceSubscription]. The secret is not in it, and so stays as it is.
func (s Subscription) Input() SubscriptionInput {
	return SubscriptionInput{
		TargetURL: s.TargetURL, Description: s.Description, EventTypes: s.EventTypes, IsActive: &s.IsActive,
		RequireSignature: s.RequireSignature, Headers: s.Headers, TimeoutSeconds: s.TimeoutSeconds,
		RetryScheduleSeconds: s.RetryScheduleSeconds, MaxInFlight: s.MaxInFlight, RatePerSecond: s.RatePerSecond, Body: s.Body,
	}
}

// ChangeOption makes a change of a subscription a conditional one.
type ChangeOption func(*call)

// IfMatch makes a change only if nobody has changed the subscription since a read gave this
// ETag. Otherwise the error is a [*Problem] with the status 412.
func IfMatch(etag string) ChangeOption { return func(c *call) { c.ifMatch = etag } }

// CreateSubscription creates a subscription and returns it as it was stored.
func (c *Client) CreateSubscription(ctx context.Context, in SubscriptionInput) (Subscription, error) {
	return c.write(ctx, call{method: http.MethodPost, path: "/subscriptions/"}, in, nil)
}

// ReplaceSubscription sets everything that in says, and everything else back to
// its default, except the secret, which stays if in has none. Warnings of what it returns
// name the fields that it has reset. To change some fields alone, use PatchSubscription.
func (c *Client) ReplaceSubscription(ctx context.Context, id string, in SubscriptionInput, opts ...ChangeOption) (Subscription, error) {
	id, err := escape("subscription", id)
	if err != nil {
		return Subscription{}, err
	}
	return c.write(ctx, call{method: http.MethodPut, path: "/subscriptions/" + id}, in, opts)
}

// SubscriptionPatch is a change of some fields of a subscription, by the names of the API
// ("event_types"). A field with nil gets its default, and the secret is removed; a field that is
// not in it stays as it is. The value of "headers" may be a map itself: of it, too, only what it
// names changes, nil removes a header, and the others stay. (map[string]any{"X-Old": nil})
type SubscriptionPatch map[string]any

// PatchSubscription changes the fields that patch names, and returns the subscription as it
// then stands. The service does it in one step: it loses no change that others make meanwhile.
func (c *Client) PatchSubscription(ctx context.Context, id string, patch SubscriptionPatch, opts ...ChangeOption) (Subscription, error) {
	id, err := escape("subscription", id)
	if err != nil {
		return Subscription{}, err
	}
	if patch == nil {
		patch = SubscriptionPatch{}
	}
	return c.write(ctx, call{method: http.MethodPatch, path: "/subscriptions/" + id}, patch, opts)
}

func (c *Client) write(ctx context.Context, call call, in any, opts []ChangeOption) (s Subscription, err error) {
	if call.body, err = json.Marshal(in); err != nil {
		return Subscription{}, fmt.Errorf("write the subscription as JSON: %w", err)
	}
	for _, opt := range opts {
		opt(&call)
	}
	call.into, call.etag = &s, &s.ETag
	err = c.do(ctx, call)
	return s, err
}

// PauseSubscription lets the deliveries of a subscription wait until it is resumed; events are
// accepted as before. The reason is for people and may be "". To pause it again changes
// nothing, unless there is a reason, which replaces the one before.
func (c *Client) PauseSubscription(ctx context.Context, id, reason string) (Subscription, error) {
	id, err := escape("subscription", id)
	if err != nil {
		return Subscription{}, err
	}
	in := struct {
		Reason string `json:"reason,omitzero"`
	}{reason}
	return c.write(ctx, call{method: http.MethodPost, path: "/subscriptions/" + id + "/pause"}, in, nil)
}

// ResumeSubscription ends a pause. If there is none, it changes nothing.
func (c *Client) ResumeSubscription(ctx context.Context, id string) (s Subscription, err error) {
	if id, err = escape("subscription", id); err != nil {
		return Subscription{}, err
	}
	err = c.do(ctx, call{method: http.MethodPost, path: "/subscriptions/" + id + "/resume", into: &s, etag: &s.ETag})
	return s, err
}

// Subscription reads one subscription.
func (c *Client) Subscription(ctx context.Context, id string) (s Subscription, err error) {
	if id, err = escape("subscription", id); err != nil {
		return Subscription{}, err
	}
	err = c.do(ctx, call{method: http.MethodGet, path: "/subscriptions/" + id, into: &s, etag: &s.ETag})
	return s, err
}

// ListSubscriptions goes through all subscriptions, newest first, a page at a
// time. An error ends it.
func (c *Client) ListSubscriptions(ctx context.Context) iter.Seq2[Subscription, error] {
	return list[Subscription](ctx, c, "/subscriptions/")
}

// DeleteSubscription deletes a subscription and cancels its pending deliveries.
func (c *Client) DeleteSubscription(ctx context.Context, id string, opts ...ChangeOption) error {
	id, err := escape("subscription", id)
	if err != nil {
		return err
	}
	call := call{method: http.MethodDelete, path: "/subscriptions/" + id}
	for _, opt := range opts {
		opt(&call)
	}
	return c.do(ctx, call)
}
