package event

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Settings are a subscription's own settings for its deliveries. Zero means the service's
// default. The store writes them to one JSON column. Settings that release 0.1.0 had keep their
// own columns, because that release does not read the JSON.
//
// A new setting needs a field here with its JSON name, a line in Equal and in Check, its place
// in the API and the client, and the code that uses it. No driver changes.
type Settings struct {
	Timeout       time.Duration `json:"-"`
	RetrySchedule RetryPolicy   `json:"-"` // nil means the service's; empty means no retries
	MaxInFlight   int           `json:"-"`
	RatePerSecond float64       `json:"-"`

	Body     Body              `json:"body,omitempty"`
	Channels []string          `json:"channels,omitempty"` // an event must share one; empty means all events
	Filter   json.RawMessage   `json:"filter,omitempty"`   // a JSON object, see package ingest/match; nil means all events
	Metadata map[string]string `json:"metadata,omitempty"` // the caller's; never sent
}

// Body says which part of an event is the body of a request.
type Body string

// The bodies. The zero Body is BodyEnvelope.
const (
	BodyEnvelope Body = "envelope" // {"event": …, "data": …}, byte for byte as it was published
	BodyData     Body = "data"     // only the value of data, with the type in the header webhook-event
)

// Equal reports whether all settings are equal.
func (s *Settings) Equal(o *Settings) bool {
	return s.Timeout == o.Timeout &&
		(s.RetrySchedule == nil) == (o.RetrySchedule == nil) && slices.Equal(s.RetrySchedule, o.RetrySchedule) &&
		s.MaxInFlight == o.MaxInFlight &&
		s.RatePerSecond == o.RatePerSecond &&
		s.Body == o.Body &&
		slices.Equal(s.Channels, o.Channels) &&
		bytes.Equal(s.Filter, o.Filter) &&
		maps.Equal(s.Metadata, o.Metadata)
}
