package event

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Secret is a signing secret. It prints as a placeholder everywhere: whoever
// needs the text converts it to a string on purpose.
type Secret string

const hidden = "[hidden]"

func (Secret) String() string               { return hidden }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Format hides it from every verb: fmt shows the text itself with a verb that is
// not for strings.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// Headers are what a subscription adds to its webhooks, by name. They may be credentials,
// and print as a placeholder as secrets do: whoever needs them converts them to a map on
// purpose.
type Headers map[string]string

func (Headers) String() string               { return hidden }
func (Headers) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Headers) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Format hides them from every verb.
func (Headers) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// Subscription says where webhooks go and which event types it wants.
type Subscription struct {
	ID               ID
	TargetURL        string
	Description      string
	EventTypes       []string // patterns, see Wants; empty means all
	Secrets          []Secret // newest first; empty means that nothing is signed
	RequireSignature bool     // ingest must carry a valid signature
	Headers          Headers
	Active           bool
	DisabledReason   string // why the service made it inactive; "" if it did not
	CreatedAt        time.Time
	UpdatedAt        time.Time
	DeletedAt        time.Time // zero while it exists; a deleted one stays only for its history
	Revision         int64     // rises with every change of what a caller may set; 1 or more once it is stored
	PausedAt         time.Time // zero if it is not paused: its deliveries wait
	PausedBy         string    // who paused it
	PausedReason     string
	// Sealed says why its secrets and headers can't be read here, or that its row is
	// damaged, and what to do; "" if it is whole. It has none then, its deliveries wait, and
	// it is not to be written back without new ones.
	Sealed string

	Settings

	// Health is the store's: what attempts have shown of the endpoint.
	Health Health
}

// Pause says who pauses a subscription, and why.
type Pause struct {
	At     time.Time
	By     string
	Reason string
}

// Paused reports whether its deliveries wait until it is resumed.
func (s *Subscription) Paused() bool { return !s.PausedAt.IsZero() }

// Deleted reports whether only its history is left.
func (s Subscription) Deleted() bool { return !s.DeletedAt.IsZero() }

// Policy is the subscription's own retry schedule, or else the service's.
func (s Subscription) Policy(service RetryPolicy) RetryPolicy {
	if s.RetrySchedule != nil {
		return s.RetrySchedule
	}
	return service
}
