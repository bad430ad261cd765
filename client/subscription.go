package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"
)

// Subscription says which event types are delivered to which URL, and how.
type Subscription struct {
	ID                   string            `json:"id"`
	Tenant               string            `json:"tenant"`       // never changes
	UID                  string            `json:"uid,omitzero"` // the caller's own id, unique in the tenant; "" if it has none
	Name                 string            `json:"name"`
	TargetURL            string            `json:"target_url"`
	Description          string            `json:"description"`
	EventTypes           []string          `json:"event_types"`     // patterns; empty: all
	Channels             []string          `json:"channels"`        // a published event must have one of these; empty: none is needed
	Filter               json.RawMessage   `json:"filter,omitzero"` // the condition on the event; null: none
	Metadata             map[string]string `json:"metadata"`        // the caller's; never sent
	State                string            `json:"state"`           // disabled, paused, failing or healthy: the first that applies
	IsActive             bool              `json:"is_active"`
	DisabledReason       string            `json:"disabled_reason,omitzero"` // why the service disabled it; "" if it did not
	PausedAt             time.Time         `json:"paused_at,omitzero"`       // zero if it is not paused
	PausedBy             string            `json:"paused_by,omitzero"`       // the name of the API key that paused it
	PausedReason         string            `json:"paused_reason,omitzero"`
	FailingSince         time.Time         `json:"failing_since,omitzero"` // when the endpoint began to fail; zero if it is not failing
	RefusedSince         time.Time         `json:"refused_since,omitzero"` // when the endpoint first responded with Retry-After since its last success; zero if it has not
	NotBefore            time.Time         `json:"not_before,omitzero"`    // no request goes to the endpoint before this time, after a Retry-After; may be in the past
	RequireSignature     bool              `json:"require_signature"`
	HasSecret            bool              `json:"has_secret"`                      // the secret itself is never shown
	Secret               string            `json:"secret,omitzero"`                 // only in the response to a create with GenerateSecret
	HeldReason           string            `json:"held_reason,omitzero"`            // why its deliveries are held back; "" if its secrets can be decrypted
	Headers              map[string]string `json:"headers"`                         // credentials are shown as [hidden]
	TimeoutSeconds       float64           `json:"timeout_seconds,omitzero"`        // 0: the default of the service
	RetryScheduleSeconds []float64         `json:"retry_schedule_seconds,omitzero"` // nil: the schedule of the service; empty: no retries
	MaxInFlight          int               `json:"max_in_flight,omitzero"`          // 0: the default of the service
	RatePerSecond        float64           `json:"rate_per_second,omitzero"`        // 0: unlimited
	Body                 string            `json:"body"`                            // what the body of a request contains: BodyEnvelope or BodyData
	CreatedAt            time.Time         `json:"created_at"`
	UpdatedAt            time.Time         `json:"updated_at"`
	ETag                 string            `json:"-"`                 // the ETag of the settings, for [IfMatch]; "" in a list
	Warnings             []string          `json:"warnings,omitzero"` // in the response to a create, replace or patch: unwise input, and fields that a replace has reset
}

// SubscriptionInput contains the fields that can be set. Only TargetURL is required.
type SubscriptionInput struct {
	TargetURL            string            `json:"target_url"`
	Tenant               string            `json:"tenant,omitzero"` // "": that of the key, or default; it can't be changed
	UID                  string            `json:"uid,omitzero"`    // your own id; "": none, or for a replaced subscription its old one
	Name                 string            `json:"name,omitzero"`
	Secret               string            `json:"secret,omitzero"` // signs every delivery; "": no secret, or for a replaced subscription its old secret
	Description          string            `json:"description,omitzero"`
	EventTypes           []string          `json:"event_types,omitzero"` // "user.created", "user.*"; empty: all
	Channels             []string          `json:"channels,omitzero"`    // a published event must have one of these; empty: none is needed
	Filter               json.RawMessage   `json:"filter,omitzero"`      // a condition on the event, a JSON object; nil: none
	Metadata             map[string]string `json:"metadata,omitzero"`    // your own; never sent
	IsActive             *bool             `json:"is_active,omitzero"`   // nil: true
	RequireSignature     bool              `json:"require_signature,omitzero"`
	Headers              map[string]string `json:"headers,omitzero"`                // headers of every request; the value [hidden] keeps the stored value
	TimeoutSeconds       float64           `json:"timeout_seconds,omitzero"`        // 0: the default of the service
	RetryScheduleSeconds []float64         `json:"retry_schedule_seconds,omitzero"` // nil: the schedule of the service; empty: no retries
	MaxInFlight          int               `json:"max_in_flight,omitzero"`          // 0: the default of the service
	RatePerSecond        float64           `json:"rate_per_second,omitzero"`        // 0: unlimited
	Body                 string            `json:"body,omitzero"`                   // BodyEnvelope or BodyData; "": BodyEnvelope
	GenerateSecret       bool              `json:"generate_secret,omitzero"`        // only for a new subscription: the service makes the secret, and the response contains it
}

// What the body of a request to the endpoint contains.
const (
	BodyEnvelope = "envelope" // the whole event as it was published, byte for byte
	BodyData     = "data"     // only the value of data; the header webhook-event contains the type
)

// Input returns the settings of the subscription, to be changed and passed to
// [Client.ReplaceSubscription]. It does not contain the secret, which therefore stays.
func (s Subscription) Input() SubscriptionInput {
	return SubscriptionInput{
		TargetURL: s.TargetURL, Tenant: s.Tenant, UID: s.UID, Name: s.Name, Description: s.Description, EventTypes: s.EventTypes,
		Channels: s.Channels, Filter: s.Filter, Metadata: s.Metadata, IsActive: &s.IsActive,
		RequireSignature: s.RequireSignature, Headers: s.Headers, TimeoutSeconds: s.TimeoutSeconds,
		RetryScheduleSeconds: s.RetryScheduleSeconds, MaxInFlight: s.MaxInFlight, RatePerSecond: s.RatePerSecond, Body: s.Body,
	}
}

// ChangeOption makes a change of a subscription conditional.
type ChangeOption func(*call)

// IfMatch makes a change only if the subscription still has this ETag, which an earlier read
// returned. Otherwise the error is a [*Problem] with status 412.
func IfMatch(etag string) ChangeOption { return func(c *call) { c.ifMatch = etag } }

// CreateSubscription creates a subscription and returns it.
func (c *Client) CreateSubscription(ctx context.Context, in SubscriptionInput) (Subscription, error) {
	return c.write(ctx, call{method: http.MethodPost, path: "/subscriptions/"}, in, nil)
}

// ReplaceSubscription sets all fields to the values in in, or to their defaults. If in has no
// secret or no uid, the old one stays. The result's Warnings list the fields that were reset. To change
// only some fields, use PatchSubscription.
func (c *Client) ReplaceSubscription(ctx context.Context, id string, in SubscriptionInput, opts ...ChangeOption) (Subscription, error) {
	id, err := escape("subscription", id)
	if err != nil {
		return Subscription{}, err
	}
	return c.write(ctx, call{method: http.MethodPut, path: "/subscriptions/" + id}, in, opts)
}

// SubscriptionPatch changes some fields of a subscription, by their names in the API
// ("event_types"). A nil value resets a field to its default, and removes the secret. Fields that
// are not in the patch stay. The value of "headers" may itself be a map: only the headers in it
// change, and nil removes a header, as in map[string]any{"X-Old": nil}.
type SubscriptionPatch map[string]any

// PatchSubscription changes the fields in patch, and returns the changed subscription. The change
// is atomic, so concurrent changes of other fields are not lost.
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
	for _, opt := range opts {
		opt(&call)
	}
	call.into, call.etag = &s, &s.ETag
	err = c.doJSON(ctx, "subscription", in, call)
	return s, err
}

// PauseSubscription pauses the deliveries of a subscription until it is resumed. Events are still
// accepted. The reason is for people, and may be "". Pausing it again changes nothing, except that
// a reason replaces the previous one.
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

// ResumeSubscription ends a pause. If the subscription is not paused, it changes nothing.
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

// SubscriptionByUID reads the subscription of a tenant that has this uid. The tenant "" is that of
// the key, or default.
func (c *Client) SubscriptionByUID(ctx context.Context, tenant, uid string) (s Subscription, err error) {
	if uid, err = escapeName("uid of a subscription", uid); err != nil {
		return Subscription{}, err
	}
	path := "/subscriptions/" + uid
	if query := queryOf("tenant", tenant).Encode(); query != "" {
		path += "?" + query
	}
	err = c.do(ctx, call{method: http.MethodGet, path: path, into: &s, etag: &s.ETag})
	return s, err
}

// ListSubscriptions iterates over all subscriptions, newest first, and reads them page by page. It
// stops at the first error.
func (c *Client) ListSubscriptions(ctx context.Context) iter.Seq2[Subscription, error] {
	return c.FindSubscriptions(ctx, SubscriptionQuery{})
}

// SubscriptionQuery selects subscriptions. Fields that are "" select all.
type SubscriptionQuery struct {
	Tenant    string // only of this tenant
	Text      string // only those whose name, URL, description or uid contains it, in any letter case
	State     string // only those in this state: disabled, paused, failing or healthy
	EventType string // only those that want events of this type
	Sort      string // SortCreated or SortName; "": SortCreated
}

// Orders of a list of subscriptions.
const (
	SortCreated = "created" // newest first
	SortName    = "name"    // by the bytes of the name
)

// FindSubscriptions iterates over the subscriptions that q selects, and reads them page by page. It
// stops at the first error.
func (c *Client) FindSubscriptions(ctx context.Context, q SubscriptionQuery) iter.Seq2[Subscription, error] {
	return list[Subscription](ctx, c, "/subscriptions/",
		queryOf("tenant", q.Tenant, "q", q.Text, "state", q.State, "event_type", q.EventType, "sort", q.Sort))
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
