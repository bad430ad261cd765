package api

import (
	"cmp"
	"encoding/json"
	"math"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Subscription is a subscription in a response. Its secret is never shown.
type Subscription struct {
	ID                   event.ID          `json:"id" format:"uuid"`
	Tenant               string            `json:"tenant" doc:"The tenant that it belongs to. It never changes."`
	UID                  *string           `json:"uid" doc:"The caller's own id, unique in the tenant; null if it has none."`
	Name                 string            `json:"name"`
	TargetURL            string            `json:"target_url" format:"uri"`
	Description          string            `json:"description"`
	EventTypes           []string          `json:"event_types" nullable:"false" doc:"Patterns of the event types that the subscription wants; empty: all."`
	Channels             []string          `json:"channels" nullable:"false" doc:"A published event must have one of these channels; empty: none is needed."`
	Filter               json.RawMessage   `json:"filter" doc:"The condition on the event; null: none."`
	Metadata             map[string]string `json:"metadata" doc:"The caller's own data about the subscription. It is never sent to the endpoint."`
	State                string            `json:"state" enum:"disabled,paused,failing,healthy" doc:"The first of these that applies."`
	IsActive             bool              `json:"is_active" doc:"Whether the subscription accepts events and delivers them."`
	DisabledReason       *string           `json:"disabled_reason" doc:"Why Hookferry made the subscription inactive; null if it did not."`
	PausedAt             *time.Time        `json:"paused_at" doc:"When the subscription was paused; null if it is not paused."`
	PausedBy             *string           `json:"paused_by" doc:"The name of the API key that paused the subscription; anonymous if no key was needed; null if it is not paused."`
	PausedReason         *string           `json:"paused_reason" doc:"Why it was paused; null if no reason was given."`
	FailingSince         *time.Time        `json:"failing_since" doc:"When the endpoint began to fail, after five failed attempts in a row; null if it is not failing. A failing endpoint gets one request at a time."`
	RefusedSince         *time.Time        `json:"refused_since" doc:"When the endpoint first responded with Retry-After and 429, 502, 503 or 504 since its last success; null if it has not."`
	NotBefore            *time.Time        `json:"not_before" doc:"No request goes to the endpoint before this time, because it responded with Retry-After and 429, 502, 503 or 504. It may be in the past. null if it never did."`
	RequireSignature     bool              `json:"require_signature" doc:"Whether events must be signed."`
	HasSecret            bool              `json:"has_secret" doc:"Whether deliveries are signed. The secret itself is never shown."`
	Secret               *string           `json:"secret,omitempty" doc:"Only in the response to a create with generate_secret, once: the new secret."`
	HeldReason           string            `json:"held_reason,omitempty" doc:"Why the deliveries of the subscription wait: its secrets can't be decrypted, or its row is damaged. Absent otherwise."`
	Headers              map[string]string `json:"headers" doc:"Headers of every request, with their names exactly as they were given. The value of a header that looks like a credential is shown as [hidden]."`
	TimeoutSeconds       *float64          `json:"timeout_seconds" doc:"null: the default of the service."`
	RetryScheduleSeconds *[]float64        `json:"retry_schedule_seconds" doc:"The delay before each retry; empty: no retries; null: the schedule of the service."`
	MaxInFlight          *int              `json:"max_in_flight" doc:"null: the default of the service."`
	RatePerSecond        *float64          `json:"rate_per_second" doc:"null: unlimited."`
	Body                 string            `json:"body" enum:"envelope,data" doc:"What the body of a request contains: the whole event as it was published, or only its data."`
	CreatedAt            time.Time         `json:"created_at"`
	UpdatedAt            time.Time         `json:"updated_at"`
	Warnings             []string          `json:"warnings,omitempty" nullable:"false" doc:"Only in the response to a create, a replace or a patch: input that was accepted but is unwise, or was understood differently from how it was written, and fields that a replace has reset."`
}

// SubscriptionInput contains the fields that a caller can set. Before decoding, it holds the
// defaults of newSubscriptionInput.
type SubscriptionInput struct {
	TargetURL            string            `json:"target_url" format:"uri" maxLength:"2048" doc:"The URL of the endpoint: http:// or https://, without user name or fragment. White space around it is removed, and an international host name is converted to ASCII (UTS 46), each with a warning."`
	Tenant               *string           `json:"tenant,omitempty" nullable:"true" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9._-]+$" doc:"The tenant that the subscription belongs to; absent or null: the tenant of the key, or default. A key for all tenants creates the tenant if it does not exist. It can't be changed: a replace or patch may only repeat it."`
	UID                  *string           `json:"uid,omitempty" nullable:"true" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9._-]+$" doc:"Your own id for the subscription, unique in its tenant. It must not look like a UUID. Paths take it instead of the id. Absent or null: a new subscription has none, and a replaced one keeps its own. In a patch, null removes it."`
	Name                 string            `json:"name,omitempty" nullable:"true" maxLength:"200" doc:"A name for people."`
	Secret               *string           `json:"secret,omitempty" nullable:"true" minLength:"1" maxLength:"512" writeOnly:"true" doc:"Signs every delivery. A secret of the form whsec_<base64> is decoded for the Standard Webhooks signature; the bytes of any other secret are used as they are. 24 to 64 random bytes are recommended. A secret that was damaged by copying is refused. Absent or null: a new subscription has no secret, and a replaced subscription keeps its secret. [hidden] keeps the secret too. In a patch, null removes it."`
	Description          string            `json:"description,omitempty" nullable:"true" maxLength:"1000"`
	EventTypes           []string          `json:"event_types,omitempty" nullable:"true" maxItems:"100" doc:"The event types that the subscription wants, exact (user.created) or by prefix (user.* matches one or more levels); absent, null or empty: all."`
	Channels             []string          `json:"channels,omitempty" nullable:"true" maxItems:"10" doc:"Of an event that is published to the tenant, one channel must be among these; absent, null or empty: none is needed. They do not apply to events published to this subscription alone, with /webhooks/ingest."`
	Filter               json.RawMessage   `json:"filter,omitempty" nullable:"true" doc:"A condition on the event, such as {\"data\": {\"amount\": {\"$gte\": 100}}}; absent or null: none. A patch replaces it as a whole."`
	Metadata             map[string]string `json:"metadata,omitempty" nullable:"true" maxProperties:"50" doc:"Your own data about the subscription, up to 4 KiB. It is never sent to the endpoint."`
	IsActive             bool              `json:"is_active,omitempty" nullable:"true" default:"true" doc:"Whether the subscription accepts events and delivers them. true also clears disabled_reason."`
	RequireSignature     bool              `json:"require_signature,omitempty" nullable:"true" default:"false" doc:"Whether published events must be signed with the secret."`
	Headers              map[string]string `json:"headers,omitempty" nullable:"true" maxProperties:"50" doc:"Headers of every request, with their names exactly as given. Accept is */* unless it is set here. The value [hidden], as shown by a read, keeps the stored value."`
	TimeoutSeconds       float64           `json:"timeout_seconds,omitempty" nullable:"true" minimum:"0" maximum:"60" doc:"The timeout of an attempt, from the name lookup to the status line of the response; absent, null or 0: the default of the service."`
	RetryScheduleSeconds []float64         `json:"retry_schedule_seconds,omitempty" nullable:"true" maxItems:"50" doc:"The delay before each retry; empty: no retries; absent or null: the schedule of the service."`
	MaxInFlight          int               `json:"max_in_flight,omitempty" nullable:"true" minimum:"0" maximum:"1000" doc:"The maximum number of requests in flight to the endpoint, for each worker; absent, null or 0: the default of the service."`
	RatePerSecond        float64           `json:"rate_per_second,omitempty" nullable:"true" minimum:"0" maximum:"100000" doc:"The maximum number of attempts started per second; absent, null or 0: unlimited."`
	Body                 string            `json:"body,omitempty" nullable:"true" enum:"envelope,data" default:"envelope" doc:"What the body of a request contains. envelope: the whole event as it was published, byte for byte. data: only the value of data, byte for byte; the header webhook-event then holds the type, and webhook-attempt the number of the attempt, starting at 1. Signatures cover the body that is sent."`
}

// SubscriptionReplaceInput is a SubscriptionInput that may also contain the fields that only the
// service sets, so that a caller can read a subscription, change it and send it back.
type SubscriptionReplaceInput struct {
	SubscriptionInput
	ID             any `json:"id,omitempty" readOnly:"true" doc:"Ignored."`
	State          any `json:"state,omitempty" readOnly:"true" doc:"Ignored."`
	DisabledReason any `json:"disabled_reason,omitempty" readOnly:"true" doc:"Ignored."`
	PausedAt       any `json:"paused_at,omitempty" readOnly:"true" doc:"Ignored."`
	PausedBy       any `json:"paused_by,omitempty" readOnly:"true" doc:"Ignored."`
	PausedReason   any `json:"paused_reason,omitempty" readOnly:"true" doc:"Ignored."`
	FailingSince   any `json:"failing_since,omitempty" readOnly:"true" doc:"Ignored."`
	RefusedSince   any `json:"refused_since,omitempty" readOnly:"true" doc:"Ignored."`
	NotBefore      any `json:"not_before,omitempty" readOnly:"true" doc:"Ignored."`
	HasSecret      any `json:"has_secret,omitempty" readOnly:"true" doc:"Ignored."`
	HeldReason     any `json:"held_reason,omitempty" readOnly:"true" doc:"Ignored."`
	CreatedAt      any `json:"created_at,omitempty" readOnly:"true" doc:"Ignored."`
	UpdatedAt      any `json:"updated_at,omitempty" readOnly:"true" doc:"Ignored."`
	Warnings       any `json:"warnings,omitempty" readOnly:"true" doc:"Ignored."`
}

// SubscriptionCreateInput is a SubscriptionInput for a new subscription.
type SubscriptionCreateInput struct {
	SubscriptionInput
	GenerateSecret bool `json:"generate_secret,omitempty" nullable:"true" default:"false" doc:"Whether Hookferry makes a secret of 32 random bytes. The response contains it in secret; no later response does. It can't be given together with secret."`
}

func newSubscriptionInput() SubscriptionInput { return SubscriptionInput{IsActive: true} }

// apply copies the named fields to s. event.Subscription.Check says whether their values are
// allowed.
func (in SubscriptionInput) apply(s event.Subscription, named func(name string) bool) event.Subscription {
	for _, f := range subscriptionFields {
		if named(f.name) {
			f.set(&s, in)
		}
	}
	return s
}

// allFields names all fields.
func allFields(string) bool { return true }

// keepHidden replaces each [hidden] with the stored value. It returns a fault for each value that
// is not stored.
func (in *SubscriptionInput) keepHidden(stored event.Subscription) []event.FieldError {
	headers, faults := keepHidden(in.Headers, stored.Headers)
	in.Headers = headers
	return append(faults, in.keepHiddenSecret(stored)...)
}

// keepHiddenSecret removes a secret of [hidden] from the input, so that the stored one stays. A
// program that writes [hidden] for each credential means this, not a secret of eight characters.
func (in *SubscriptionInput) keepHiddenSecret(stored event.Subscription) []event.FieldError {
	if in.Secret == nil || *in.Secret != hidden {
		return nil
	}
	in.Secret = nil
	if len(stored.Secrets) > 0 {
		return nil
	}
	return []event.FieldError{{Field: "secret", Message: "is [hidden], which keeps the stored secret, but there is no stored secret; send the secret"}}
}

// show returns a subscription as callers see it.
func show(s event.Subscription) Subscription {
	out := Subscription{
		ID: s.ID, Tenant: s.Tenant, UID: orNull(s.UID), Name: s.Name,
		Channels: s.Channels, Filter: s.Filter, Metadata: s.Metadata, State: stateOf(&s),
		TargetURL: s.TargetURL, Description: s.Description, EventTypes: s.EventTypes,
		IsActive: s.Active, DisabledReason: orNull(s.DisabledReason),
		PausedAt: timeOrNull(s.PausedAt), PausedBy: orNull(s.PausedBy), PausedReason: orNull(s.PausedReason),
		FailingSince: timeOrNull(s.Health.FailingSince), RefusedSince: timeOrNull(s.Health.RefusedSince), NotBefore: timeOrNull(s.Health.NotBefore),
		RequireSignature: s.RequireSignature, HasSecret: len(s.Secrets) > 0 || s.Sealed != "", HeldReason: s.Sealed, Headers: hideCredentials(s.Headers),
		TimeoutSeconds: orNull(s.Timeout.Seconds()), MaxInFlight: orNull(s.MaxInFlight), RatePerSecond: orNull(s.RatePerSecond),
		Body:      string(cmp.Or(s.Body, event.BodyEnvelope)),
		CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(),
	}
	if s.RetrySchedule != nil {
		schedule := make([]float64, 0, len(s.RetrySchedule))
		for _, d := range s.RetrySchedule {
			schedule = append(schedule, d.Seconds())
		}
		out.RetryScheduleSeconds = &schedule
	}
	return out
}

// duration never turns a non-zero number into 0, which has another meaning, nor a huge number into
// a small one.
func duration(seconds float64) time.Duration {
	switch ns := seconds * float64(time.Second); {
	case ns >= math.MaxInt64:
		return math.MaxInt64
	case ns <= math.MinInt64:
		return math.MinInt64
	case ns > 0:
		return max(time.Duration(ns), 1)
	case ns < 0:
		return min(time.Duration(ns), -1)
	}
	return 0
}
