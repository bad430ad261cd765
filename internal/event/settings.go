package event

import (
	"slices"
	"time"
)

// Settings are a subscription's own settings for its deliveries. Zero means the service's
// default. The store writes them to one JSON column, except for those that have had a column of
// their own since release 0.1.0: an older release does not read the JSON.
//
// A new setting needs a field here with its JSON name, a line in Equal and in Check, its place
// in the API and the client, and the code that uses it. No driver changes.
type Settings struct {
	Timeout       time.Duration `json:"-"`
	RetrySchedule RetryPolicy   `json:"-"` // nil means the service's; empty means no retries
	MaxInFlight   int           `json:"-"`
	RatePerSecond float64       `json:"-"`

	Body Body `json:"body,omitempty"`
}

// Body says which part of an event is the body of a request.
type Body string

// The bodies. The zero Body is BodyEnvelope.
const (
	BodyEnvelope Body = "envelope" // {"event": …, "data": …}, byte for byte as it was published
	BodyData     Body = "data"     // the value of data alone, with the type in the header webhook-event
)

// Equal reports whether all settings are equal.
func (s *Settings) Equal(o *Settings) bool {
	return s.Timeout == o.Timeout &&
		(s.RetrySchedule == nil) == (o.RetrySchedule == nil) && slices.Equal(s.RetrySchedule, o.RetrySchedule) &&
		s.MaxInFlight == o.MaxInFlight &&
		s.RatePerSecond == o.RatePerSecond &&
		s.Body == o.Body
}
