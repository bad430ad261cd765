package release010

import (
	"encoding/json"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Content describes a database: what the service told its loader, and what was counted after the
// service was killed.
type Content struct {
	KilledAt time.Time `json:"killed_at"`
	// Counts are all deliveries by status.
	Counts map[string]int `json:"counts"`
	// Leased and Unclaimed add up to the pending deliveries. The process that died held the leased
	// ones.
	Leased    int `json:"leased"`
	Unclaimed int `json:"unclaimed"`
	// Unfiled is how many of the leased deliveries have no row of their own. On PostgreSQL, it is
	// 0.
	Unfiled int `json:"unfiled"`
	// Rows counts the rows of the other tables.
	Rows          map[string]int `json:"rows"`
	Keys          []Key          `json:"keys"`
	Subscriptions []Subscription `json:"subscriptions"`
}

// Key is an API key. It is valid only for this database.
type Key struct {
	Name  string `json:"name"`
	Scope string `json:"scope"`
	State string `json:"state"` // valid, revoked or expired
	Text  string `json:"text"`
}

// Subscription is a subscription with every event that was accepted for it.
type Subscription struct {
	ID    event.ID `json:"id"`
	About string   `json:"about"`
	State string   `json:"state"` // active, inactive, disabled or deleted
	// Settings are the body of the request that created it.
	Settings     json.RawMessage `json:"settings"`
	Counts       map[string]int  `json:"counts"` // its deliveries by status
	Acknowledged []Event         `json:"acknowledged"`
}

// Event is an accepted event: the ids in the response, and what was published.
type Event struct {
	ID             event.ID `json:"event"`
	DeliveryID     event.ID `json:"delivery"`
	IdempotencyKey string   `json:"key,omitzero"`
	Type           string   `json:"type"`
	SHA256         string   `json:"sha256"` // of the payload, in hex
}
