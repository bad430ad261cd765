package api

import (
	"cmp"
	"math"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Subscription is a subscription as it is shown. Its secret never is.
type Subscription struct {
	ID                   event.ID          `json:"id" format:"uuid"`
	TargetURL            string            `json:"target_url" format:"uri"`
	Description          string            `json:"description"`
	EventTypes           []string          `json:"event_types" nullable:"false" doc:"The patterns of the event types it wants; empty: all."`
	IsActive             bool              `json:"is_active" doc:"Whether it takes events and is called."`
	DisabledReason       *string           `json:"disabled_reason" doc:"Why Hookferry made it inactive; null if it did not."`
	PausedAt             *time.Time        `json:"paused_at" doc:"Since when its deliveries wait; null if it is not paused."`
	PausedBy             *string           `json:"paused_by" doc:"The name of the API key that paused it; anonymous if none was needed; null if it is not paused."`
	PausedReason         *string           `json:"paused_reason" doc:"Why it was paused; null if no reason was given."`
	FailingSince         *time.Time        `json:"failing_since" doc:"Since when its endpoint is failing, after five failed attempts in a row; null if it is not. It then gets one request at a time."`
	RefusedSince         *time.Time        `json:"refused_since" doc:"Since when its endpoint has asked for no requests, without a success; null if it has not."`
	NotBefore            *time.Time        `json:"not_before" doc:"The latest time before which its endpoint asked for no requests, by 429, 502, 503 or 504 with Retry-After; it may have passed. null if it never asked."`
	RequireSignature     bool              `json:"require_signature" doc:"Whether events sent to it must be signed."`
	HasSecret            bool              `json:"has_secret" doc:"Whether deliveries are signed. The secret itself is never shown."`
	HeldReason           string            `json:"held_reason,omitempty" doc:"Only where its secrets can't be opened: why, and that its deliveries wait."`
	Headers              map[string]string `json:"headers" doc:"Sent with every delivery, named as typed. The value of a header whose name looks like a credential is shown as [hidden]."`
	TimeoutSeconds       *float64          `json:"timeout_seconds" doc:"null: the service's setting."`
	RetryScheduleSeconds *[]float64        `json:"retry_schedule_seconds" doc:"The delay before each retry; empty: no retries; null: the service's schedule."`
	MaxInFlight          *int              `json:"max_in_flight" doc:"null: the service's setting."`
	RatePerSecond        *float64          `json:"rate_per_second" doc:"null: no limit."`
	Body                 string            `json:"body" enum:"envelope,data" doc:"What a request carries: the event as it was posted, or its data alone."`
	CreatedAt            time.Time         `json:"created_at"`
	UpdatedAt            time.Time         `json:"updated_at"`
	Warnings             []string          `json:"warnings,omitempty" nullable:"false" doc:"Only in the response to a create, a replace or a patch: what was accepted but is unwise or was understood otherwise than it was written, and the fields that a replace has reset."`
}

// SubscriptionList is one page of subscriptions.
type SubscriptionList struct {
	Data []Subscription `json:"data" nullable:"false"`
	Next *string        `json:"next" doc:"The cursor of the next page; null on the last one."`
}

// SubscriptionInput is what a caller may set. It holds the defaults of newSubscriptionInput
// until it is decoded into.
type SubscriptionInput struct {
	TargetURL            string            `json:"target_url" format:"uri" maxLength:"2048" doc:"Where events are sent: an http:// or https:// URL without user name or fragment. Blanks and line ends around it are removed, and an international host name is converted to ASCII (UTS 46); warnings say so."`
	Secret               *string           `json:"secret,omitempty" nullable:"true" minLength:"1" maxLength:"512" writeOnly:"true" doc:"Signs every delivery. A secret of the form whsec_<base64> is decoded for the Standard Webhooks signature, any other is used as its bytes; 24 to 64 random bytes are advised. One that was damaged when it was pasted is refused. Absent or null: none for a new subscription, the present one for a replaced one; so does [hidden]. In a patch, null removes it."`
	Description          string            `json:"description,omitempty" nullable:"true" maxLength:"1000"`
	EventTypes           []string          `json:"event_types,omitempty" nullable:"true" maxItems:"100" doc:"Event types it wants, exact (user.created) or by prefix (user.* matches one level or more); absent, null or empty: all."`
	IsActive             bool              `json:"is_active,omitempty" nullable:"true" default:"true" doc:"Whether it takes events and is called. true also clears disabled_reason."`
	RequireSignature     bool              `json:"require_signature,omitempty" nullable:"true" default:"false" doc:"Whether events sent to it must be signed with its secret."`
	Headers              map[string]string `json:"headers,omitempty" nullable:"true" maxProperties:"50" doc:"Sent with every delivery, named as typed; Accept is */* unless it is among them. A value of [hidden], as a read shows it, keeps the stored one."`
	TimeoutSeconds       float64           `json:"timeout_seconds,omitempty" nullable:"true" minimum:"0" maximum:"60" doc:"For the whole exchange; absent, null or 0: the service's setting."`
	RetryScheduleSeconds []float64         `json:"retry_schedule_seconds,omitempty" nullable:"true" maxItems:"50" doc:"The delay before each retry; empty: no retries; absent or null: the service's schedule."`
	MaxInFlight          int               `json:"max_in_flight,omitempty" nullable:"true" minimum:"0" maximum:"1000" doc:"How many requests to the target may be under way at once; absent, null or 0: the service's setting."`
	RatePerSecond        float64           `json:"rate_per_second,omitempty" nullable:"true" minimum:"0" maximum:"100000" doc:"How many deliveries a second are begun at most; absent, null or 0: no limit."`
	Body                 string            `json:"body,omitempty" nullable:"true" enum:"envelope,data" default:"envelope" doc:"What a request carries. envelope: the event as it was posted, byte for byte. data: the value of data alone, byte for byte; then the header webhook-event holds the type, and webhook-attempt the number of the attempt, 1 for the first. Signatures are over what is sent."`
}

// SubscriptionReplaceInput is a SubscriptionInput that may also hold what only the
// service sets, so that what was read can be changed and sent back.
type SubscriptionReplaceInput struct {
	SubscriptionInput
	ID             any `json:"id,omitempty" readOnly:"true" doc:"Ignored."`
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

func newSubscriptionInput() SubscriptionInput { return SubscriptionInput{IsActive: true} }

// apply writes the fields that are named over s. What their values may be is for
// event.Subscription.Check.
func (in SubscriptionInput) apply(s event.Subscription, named func(name string) bool) event.Subscription {
	for _, f := range subscriptionFields {
		if named(f.name) {
			f.set(&s, in)
		}
	}
	return s
}

// every names all fields.
func every(string) bool { return true }

// keepHidden puts the stored values back where a caller sends what was shown, and says where
// there are none.
func (in *SubscriptionInput) keepHidden(stored event.Subscription) []event.FieldError {
	headers, faults := keepHidden(in.Headers, stored.Headers)
	in.Headers = headers
	return append(faults, in.keepHiddenSecret(stored)...)
}

// keepHiddenSecret takes a secret away that says that the stored one stays. Reads do not show
// secrets; a program that writes [hidden] for each credential means this and not a secret of
// eight letters that anyone could guess.
func (in *SubscriptionInput) keepHiddenSecret(stored event.Subscription) []event.FieldError {
	if in.Secret == nil || *in.Secret != hidden {
		return nil
	}
	in.Secret = nil
	if len(stored.Secrets) > 0 {
		return nil
	}
	return []event.FieldError{{Field: "secret", Message: "is [hidden], which keeps the stored secret, but none is stored; send the secret"}}
}

// show is a subscription as callers see it.
func show(s event.Subscription) Subscription {
	out := Subscription{
		ID: s.ID, TargetURL: s.TargetURL, Description: s.Description, EventTypes: s.EventTypes,
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

// duration never turns a number that was given into 0, which would mean another
// thing, nor a huge one into a small one.
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
