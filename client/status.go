package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// What a delivery's Status may be. All but Pending are final.
const (
	Pending   = "pending"
	Delivered = "delivered"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// Delivery is one event on its way to one subscription.
type Delivery struct {
	ID             string    `json:"id"`
	SubscriptionID string    `json:"subscription_id"`
	EventID        string    `json:"event_id"`
	Event          string    `json:"event"` // the event type
	Status         string    `json:"status"`
	CreatedAt      time.Time `json:"created_at"`
	NextAttemptAt  time.Time `json:"next_attempt_at,omitzero"` // zero unless pending
	HeldReason     string    `json:"held_reason"`              // why it waits, if not for its turn or its next retry alone; else empty
	SettledAt      time.Time `json:"settled_at,omitzero"`      // zero while pending
	Attempts       []Attempt `json:"attempts"`                 // the first attempt first
}

// Attempt is one HTTP request that was made for a delivery.
type Attempt struct {
	AttemptNumber int       `json:"attempt_number"` // 1 for the first
	Timestamp     time.Time `json:"timestamp"`      // when it began
	StatusCode    int       `json:"status_code,omitzero"`
	Success       bool      `json:"success"`
	Error         string    `json:"error,omitzero"`      // what went wrong, in words
	ErrorCode     string    `json:"error_code,omitzero"` // what went wrong, for programs
	DurationMS    float64   `json:"duration_ms"`
	Phases        Phases    `json:"phases"`
	Peer          string    `json:"peer,omitzero"`     // the address that was called
	Response      string    `json:"response,omitzero"` // how the answer's body began
}

// Duration is how long the attempt took.
func (a Attempt) Duration() time.Duration {
	return time.Duration(a.DurationMS * float64(time.Millisecond))
}

// Phases say where the time of an attempt went.
type Phases struct {
	DNSMS       float64 `json:"dns_ms"`
	ConnectMS   float64 `json:"connect_ms"`
	TLSMS       float64 `json:"tls_ms"`
	FirstByteMS float64 `json:"first_byte_ms"`
}

// AttemptEntry is an attempt in the list of a subscription's.
type AttemptEntry struct {
	Attempt
	DeliveryID string `json:"delivery_id"`
	EventID    string `json:"event_id"`
	Event      string `json:"event"` // the event type
}

// Health is how the service is.
type Health struct {
	Status        string               `json:"status"` // "ok", "degraded" or "down"
	Version       string               `json:"version"`
	UptimeSeconds float64              `json:"uptime_seconds"`
	Components    map[string]Component `json:"components"`
	Queue         Queue                `json:"queue"`
}

// Component is how one part of the service is.
type Component struct {
	Status    string  `json:"status"`
	LatencyMS float64 `json:"latency_ms"`
	Error     string  `json:"error,omitzero"`
}

// Queue is what is still to be delivered.
type Queue struct {
	Pending          *int         `json:"pending"` // all that is not settled; nil, as the next three, while the database can't be asked
	Leased           *int         `json:"leased"`  // of these, in the hands of a node
	Due              *int         `json:"due"`     // of these, due and leased by no node
	OldestDueSeconds *float64     `json:"oldest_due_seconds"`
	CountedAt        time.Time    `json:"counted_at,omitzero"` // zero if it never was
	LastKnown        *QueueCounts `json:"last_known,omitzero"` // what was counted then, while the numbers are nil
}

// QueueCounts are the numbers of a count of the queue.
type QueueCounts struct {
	Pending          int     `json:"pending"`
	Leased           int     `json:"leased"`
	Due              int     `json:"due"`
	OldestDueSeconds float64 `json:"oldest_due_seconds"`
}

// Delivery reads a delivery with all its attempts.
func (c *Client) Delivery(ctx context.Context, id string) (d Delivery, err error) {
	if id, err = escape("delivery", id); err != nil {
		return Delivery{}, err
	}
	err = c.do(ctx, call{method: http.MethodGet, path: "/status/delivery/" + id, into: &d})
	return d, err
}

// Attempts goes through a subscription's attempts, newest first, a page at a
// time. An error ends it. It works for a deleted subscription too, as long as its
// history is kept.
func (c *Client) Attempts(ctx context.Context, subscriptionID string) iter.Seq2[AttemptEntry, error] {
	id, err := escape("subscription", subscriptionID)
	if err != nil {
		return func(yield func(AttemptEntry, error) bool) { yield(AttemptEntry{}, err) }
	}
	return list[AttemptEntry](ctx, c, "/status/subscription/"+id)
}

// Health asks how the service is. One that says it is down is an answer, not an
// error: see Health.Status.
func (c *Client) Health(ctx context.Context) (h Health, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/health", into: &h, alsoOK: http.StatusServiceUnavailable})
	return h, err
}
