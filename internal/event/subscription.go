package event

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Secret is a signing secret. It prints as a placeholder everywhere. Code that needs the text
// converts it to a string.
type Secret string

const hidden = "[hidden]"

func (Secret) String() string               { return hidden }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Format hides the secret from every verb. Without it, fmt would show the text with a verb that
// is not for strings.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// Headers are the headers that a subscription adds to its requests, by name. They may contain
// credentials, so they print as a placeholder, like secrets. Code that needs them converts them
// to a map.
type Headers map[string]string

func (Headers) String() string               { return hidden }
func (Headers) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Headers) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Format hides the headers from every verb.
func (Headers) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// Subscription says where webhooks are sent and which event types are wanted.
type Subscription struct {
	ID               ID
	TargetURL        string
	Description      string
	EventTypes       []string // patterns, see Wants; empty means all
	Secrets          []Secret // newest first; empty means that requests are not signed
	RequireSignature bool     // events are accepted only with a valid signature
	Headers          Headers
	Active           bool
	DisabledReason   string // why the service made it inactive; "" if it did not
	CreatedAt        time.Time
	UpdatedAt        time.Time
	DeletedAt        time.Time // zero while it exists; a deleted one is kept only for its history
	Revision         int64     // increases with every change to what a caller may set; at least 1 once stored
	PausedAt         time.Time // zero if it is not paused; while it is, its deliveries wait
	PausedBy         string    // who paused it
	PausedReason     string
	// Sealed says why the secrets and headers can't be decrypted, or that the row is damaged,
	// and what to do. It is "" if the subscription is complete. Otherwise Secrets and Headers
	// are empty, its deliveries wait, and it must not be written back without new ones.
	Sealed string

	Settings

	// Health is what past attempts say about the endpoint. The store maintains it.
	Health Health
}

// Pause says when, by whom and why a subscription is paused.
type Pause struct {
	At     time.Time
	By     string
	Reason string
}

// Paused reports whether the subscription is paused, so that its deliveries wait.
func (s *Subscription) Paused() bool { return !s.PausedAt.IsZero() }

// Deleted reports whether the subscription is deleted, so that only its history is left.
func (s Subscription) Deleted() bool { return !s.DeletedAt.IsZero() }

// Policy returns the subscription's own retry schedule, or the service's if it has none.
func (s Subscription) Policy(service RetryPolicy) RetryPolicy {
	if s.RetrySchedule != nil {
		return s.RetrySchedule
	}
	return service
}
