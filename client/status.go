package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Values of a delivery's Status. All except Pending are final.
const (
	Pending   = "pending"
	Delivered = "delivered"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// Delivery is one event on its way to one subscription.
type Delivery struct {
	ID             string    `json:"id"`
	Tenant         string    `json:"tenant"` // that of the subscription
	SubscriptionID string    `json:"subscription_id"`
	EventID        string    `json:"event_id"`
	Event          string    `json:"event"` // the event type
	Status         string    `json:"status"`
	CreatedAt      time.Time `json:"created_at"`
	NextAttemptAt  time.Time `json:"next_attempt_at,omitzero"` // zero if not pending, or not known
	HeldReason     string    `json:"held_reason"`              // why it is held back; empty if it only waits for its turn or its next retry
	SettledAt      time.Time `json:"settled_at,omitzero"`      // zero if pending
	Attempts       []Attempt `json:"attempts"`                 // oldest first
}

// Attempt is one HTTP request made for a delivery.
type Attempt struct {
	AttemptNumber int       `json:"attempt_number"` // 1 for the first
	Timestamp     time.Time `json:"timestamp"`      // when it started
	StatusCode    int       `json:"status_code,omitzero"`
	Success       bool      `json:"success"`
	Error         string    `json:"error,omitzero"`      // what went wrong, in words
	ErrorCode     string    `json:"error_code,omitzero"` // what went wrong, for programs
	DurationMS    float64   `json:"duration_ms"`
	Phases        Phases    `json:"phases"`
	Peer          string    `json:"peer,omitzero"`     // the address that was dialled
	Response      string    `json:"response,omitzero"` // the beginning of the response body
}

// Duration returns how long the attempt took.
func (a Attempt) Duration() time.Duration {
	return time.Duration(a.DurationMS * float64(time.Millisecond))
}

// Phases break down the time of an attempt.
type Phases struct {
	DNSMS       float64 `json:"dns_ms"`
	ConnectMS   float64 `json:"connect_ms"`
	TLSMS       float64 `json:"tls_ms"`
	FirstByteMS float64 `json:"first_byte_ms"`
}

// AttemptEntry is an attempt in a subscription's list of attempts.
type AttemptEntry struct {
	Attempt
	DeliveryID string `json:"delivery_id"`
	EventID    string `json:"event_id"`
	Event      string `json:"event"` // the event type
}

// Health is the state of the service.
type Health struct {
	Status        string               `json:"status"` // "ok", "degraded" or "down"
	Version       string               `json:"version"`
	UptimeSeconds float64              `json:"uptime_seconds"`
	Components    map[string]Component `json:"components"`
	Queue         Queue                `json:"queue"`
}

// Component is the state of one part of the service.
type Component struct {
	Status    string  `json:"status"`
	LatencyMS float64 `json:"latency_ms"`
	Error     string  `json:"error,omitzero"`
}

// Queue counts pending deliveries.
type Queue struct {
	Pending          *int         `json:"pending"` // all of them; nil, like the next three, while the database is unavailable
	Leased           *int         `json:"leased"`  // those that a node has claimed
	Due              *int         `json:"due"`     // those that are due and that no node has claimed
	OldestDueSeconds *float64     `json:"oldest_due_seconds"`
	CountedAt        time.Time    `json:"counted_at,omitzero"` // zero if never counted
	LastKnown        *QueueCounts `json:"last_known,omitzero"` // the numbers of CountedAt, while the others are nil
}

// QueueCounts are the results of one count.
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

// Attempts iterates over a subscription's attempts, newest first, and reads them page by page. It
// stops at the first error. It also works for a deleted subscription until its history expires.
func (c *Client) Attempts(ctx context.Context, subscriptionID string) iter.Seq2[AttemptEntry, error] {
	id, err := escape("subscription", subscriptionID)
	if err != nil {
		return failed[AttemptEntry](err)
	}
	return list[AttemptEntry](ctx, c, "/status/subscription/"+id, nil)
}

// Health reads the state of the service. A service that is down is not an error: see Health.Status.
func (c *Client) Health(ctx context.Context) (h Health, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/health", into: &h, alsoOK: http.StatusServiceUnavailable})
	return h, err
}
