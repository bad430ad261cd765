package event

import (
	"slices"
	"time"
)

// Settings are how a subscription's deliveries are made; zero means the service's setting.
// The store keeps them in one JSON column, but for those that have a column of their own
// since release 0.1.0: these are not in the JSON, which an older release does not read.
//
// A new setting needs a field here, with its JSON name, a line in Equal and one in Check, its
// place in the API and the client, and its user. No driver changes.
type Settings struct {
	Timeout       time.Duration `json:"-"`
	RetrySchedule RetryPolicy   `json:"-"` // nil means the service's; empty means no retries
	MaxInFlight   int           `json:"-"`
	RatePerSecond float64       `json:"-"`

	Body Body `json:"body,omitempty"`
}

// Body is what of an event a request carries.
type Body string

// The bodies. The zero Body is BodyEnvelope.
const (
	BodyEnvelope Body = "envelope" // {"event": …, "data": …}, byte for byte as it was posted
	BodyData     Body = "data"     // the value of data alone, with the type in the header webhook-event
)

// Equal reports whether nothing differs.
func (s *Settings) Equal(o *Settings) bool {
	return s.Timeout == o.Timeout &&
		(s.RetrySchedule == nil) == (o.RetrySchedule == nil) && slices.Equal(s.RetrySchedule, o.RetrySchedule) &&
		s.MaxInFlight == o.MaxInFlight &&
		s.RatePerSecond == o.RatePerSecond &&
		s.Body == o.Body
}
