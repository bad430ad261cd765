package api

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookferry/hookferry/internal/event"
)

// field is one field of a SubscriptionInput.
type field struct {
	name      string
	set       func(s *event.Subscription, in SubscriptionInput)
	isDefault func(s event.Subscription) bool
}

// subscriptionFields lists all fields in the order of the document. When set is called, the headers
// and the secret are final: [hidden] and null have been resolved.
var subscriptionFields = []field{
	{
		"target_url",
		func(s *event.Subscription, in SubscriptionInput) { s.TargetURL, _ = cleanTarget(in.TargetURL) },
		func(event.Subscription) bool { return false },
	},
	{
		"secret",
		func(s *event.Subscription, in SubscriptionInput) {
			if in.Secret != nil {
				s.Secrets = []event.Secret{event.Secret(*in.Secret)}
			}
		},
		func(event.Subscription) bool { return false }, // a PUT without a secret keeps it
	},
	{
		"description",
		func(s *event.Subscription, in SubscriptionInput) { s.Description = in.Description },
		func(s event.Subscription) bool { return s.Description == "" },
	},
	{
		"event_types",
		func(s *event.Subscription, in SubscriptionInput) { s.EventTypes = in.EventTypes },
		func(s event.Subscription) bool { return len(s.EventTypes) == 0 },
	},
	{
		"is_active",
		func(s *event.Subscription, in SubscriptionInput) {
			if s.Active = in.IsActive; s.Active {
				s.DisabledReason = ""
			}
		},
		func(s event.Subscription) bool { return s.Active },
	},
	{
		"require_signature",
		func(s *event.Subscription, in SubscriptionInput) { s.RequireSignature = in.RequireSignature },
		func(s event.Subscription) bool { return !s.RequireSignature },
	},
	{
		"headers",
		func(s *event.Subscription, in SubscriptionInput) { s.Headers = in.Headers },
		func(s event.Subscription) bool { return len(s.Headers) == 0 },
	},
	{
		"timeout_seconds",
		func(s *event.Subscription, in SubscriptionInput) { s.Timeout = duration(in.TimeoutSeconds) },
		func(s event.Subscription) bool { return s.Timeout == 0 },
	},
	{
		"retry_schedule_seconds",
		func(s *event.Subscription, in SubscriptionInput) { s.RetrySchedule = schedule(in.RetryScheduleSeconds) },
		func(s event.Subscription) bool { return s.RetrySchedule == nil },
	},
	{
		"max_in_flight",
		func(s *event.Subscription, in SubscriptionInput) { s.MaxInFlight = in.MaxInFlight },
		func(s event.Subscription) bool { return s.MaxInFlight == 0 },
	},
	{
		"rate_per_second",
		func(s *event.Subscription, in SubscriptionInput) { s.RatePerSecond = in.RatePerSecond },
		func(s event.Subscription) bool { return s.RatePerSecond == 0 },
	},
	{
		"body",
		func(s *event.Subscription, in SubscriptionInput) {
			if s.Body = event.Body(in.Body); s.Body == event.BodyEnvelope {
				s.Body = "" // the default is stored in one form
			}
		},
		func(s event.Subscription) bool { return s.Body == "" },
	},
}

// schedule returns nil for the schedule of the service, and an empty policy for no retries.
func schedule(seconds []float64) event.RetryPolicy {
	if seconds == nil {
		return nil
	}
	policy := event.RetryPolicy{}
	for _, s := range seconds {
		policy = append(policy, duration(s))
	}
	return policy
}

// adviseReset warns about fields that a PUT has reset to their defaults because its body gave them
// no value. Someone who wants to change a single field should use PATCH.
func adviseReset(before, after event.Subscription, body members) []string {
	var reset []string
	for _, f := range subscriptionFields {
		if !body.hasValue(f.name) && !f.isDefault(before) && f.isDefault(after) {
			reset = append(reset, f.name)
		}
	}
	switch n := len(reset); n {
	case 0:
		return nil
	case 1:
		return []string{reset[0] + " was reset to its default, because the request gave it no value; PATCH changes only the fields that it names"}
	default:
		return []string{strings.Join(reset[:n-1], ", ") + " and " + reset[n-1] + " were reset to their defaults, because the request gave them no value; PATCH changes only the fields that it names"}
	}
}

// members are the members of a JSON object.
type members map[string]jsontext.Value

// has reports whether the object names the field, even if its value is null.
func (m members) has(name string) bool { _, found := m[name]; return found }

// hasValue reports whether the object has a value other than null for the field.
func (m members) hasValue(name string) bool { return m.has(name) && m[name].Kind() != 'n' }
