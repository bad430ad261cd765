package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Event is one thing that happened. It is written once and never changed.
type Event struct {
	ID          ID
	Type        string
	ContentType string
	Payload     []byte // exactly as received, because signatures are over bytes
	CreatedAt   time.Time

	TenantNo      int64       // the number of its tenant
	Attributes    *Attributes // what its publisher gave with it; nil if nothing
	SingleAttempt bool        // no retry follows the first attempt

	// DataAt and DataLen are the position and length of the value of data in the payload, in
	// bytes. A DataLen of 0 means unknown, as for events that release 0.1.0 stored; see Data.
	DataAt, DataLen int
}

// Attributes are what a publisher may give with an event besides its type and data. They are not
// sent to endpoints. Stores keep them as one JSON object.
type Attributes struct {
	Channels  []string          `json:"channels,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	DeliverAt time.Time         `json:"deliver_at,omitzero"` // when its deliveries are due; zero: at once
	Only      ID                `json:"only,omitzero"`       // the only subscription that it was published to; zero: all that match
}

// Data returns the value of data in the payload, or nil if there is none.
func (e *Event) Data() []byte {
	if e.DataLen > 0 && e.DataAt >= 0 && e.DataAt+e.DataLen <= len(e.Payload) {
		return e.Payload[e.DataAt : e.DataAt+e.DataLen]
	}
	d := json.NewDecoder(bytes.NewReader(e.Payload))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return nil
		}
		if name == "data" {
			return value
		}
	}
	return nil
}

// Status is the state of a delivery. A lease is not a status: a delivery that is
// being attempted is still pending.
type Status uint8

// The statuses. An attempt moves a delivery from Pending to Delivered or Failed (Settle). The
// service or an operator cancels a pending delivery (Cancel). A resend moves a settled one
// back to Pending (Resend). A late success makes any delivery Delivered (Apply).
const (
	Pending   Status = iota // waits for its first or next attempt
	Delivered               // the endpoint responded with 200-299
	Failed                  // no attempts are left, or another attempt would be pointless
	Cancelled               // by an operator, or its subscription was deleted or stayed inactive past the retention
)

// Statuses lists all statuses in the order of their numbers. Stores persist the numbers.
var Statuses = []Status{Pending, Delivered, Failed, Cancelled}

func (s Status) String() string {
	switch s {
	case Pending:
		return "pending"
	case Delivered:
		return "delivered"
	case Failed:
		return "failed"
	case Cancelled:
		return "cancelled"
	}
	return "unknown"
}

// Delivery is one event on its way to one subscription. Its row in the store is
// its place in the queue.
type Delivery struct {
	ID             ID // see DeliveryID
	EventID        ID
	SubscriptionID ID
	Status         Status
	Attempts       int       // how many attempts are on record
	DueAt          time.Time // when the next attempt may start; meaningless once settled
	LeaseOwner     string    // the claim that leased it, or ""; identifies the lease together with ID, see LeaseKey
	LeasedUntil    time.Time // when the lease ends unless it is renewed
	CreatedAt      time.Time
	SettledAt      time.Time // when it left Pending; zero before
	DeliveredAt    time.Time // when it was first delivered; zero before. A resend keeps it

	// A round is one pass through the retry schedule. Each resend begins a new round.
	Round     int // 0 for the first
	RoundFrom int // how many attempts do not count towards the schedule of this round
	Stray     int // how many attempts were recorded outside of the fence; see Apply
}

// Claimed is a delivery that this node has leased, with the event to send.
type Claimed struct {
	Delivery Delivery
	Event    Event
}

// Attempt is one HTTP request that was made for a delivery, or that the guard blocked.
type Attempt struct {
	ID             ID
	DeliveryID     ID
	SubscriptionID ID
	Number         int // 1 for the first; unique within the delivery
	Outcome        Outcome
}

// Acceptance is what ingest asks the store to write in one transaction: an event and
// its deliveries to any number of subscriptions, or to none.
type Acceptance struct {
	Event      Event
	Deliveries []Delivery // of this event, each to a different subscription
	// IdempotencyKey requires exactly one delivery, unless the event was published to a tenant.
	// When the same subscription, or the same tenant, receives a second acceptance with the same
	// key, the store returns the ids of the first if BodyHash is equal too, and ErrKeyReused if it
	// is not.
	IdempotencyKey string
	BodyHash       [32]byte

	// Published says that the event was published to its tenant, and not to one subscription by
	// ingest. Its deliveries are those that match at the version TenantVersion, which the store
	// compares: it returns ErrStale if the tenant has another one now. Deliveries may have the
	// status Failed: their subscription has too many pending deliveries.
	Published     bool
	TenantVersion int64
	// TypesVersion is the version of the registry of event types that the event was checked
	// against. The store returns ErrStale if the registry has another one now.
	TypesVersion int64
	// Rematch, if not nil, replaces the deliveries by those that match now, if TenantVersion is
	// no longer the tenant's. The store calls it with the changes since then, within its
	// transaction and while the tenant can't change. It is for a tenant that changes faster than
	// events can be stored.
	Rematch func(TenantChanges) ([]Delivery, error)
}

// Receipt is the result of an Acceptance. The event is on disk.
type Receipt struct {
	Event      ID
	Deliveries []ID // in the order of the Acceptance
	Replayed   bool // the ids are those of an earlier acceptance with the same idempotency key; nothing was stored
	// Made and Refused count the deliveries of an event that was published to its tenant, also
	// when the receipt is replayed, which then has no ids of deliveries. Refused ones failed at
	// once, because their subscription had too many pending deliveries; Made includes them.
	Made, Refused int
}

// Check reports whether a store can write the acceptance. An error is a bug in this program.
func (a *Acceptance) Check() error {
	if a.IdempotencyKey != "" && len(a.Deliveries) != 1 && !a.Published {
		return fmt.Errorf("an acceptance with an idempotency key must have one delivery, this one has %d", len(a.Deliveries))
	}
	return nil
}

// Receipt returns the receipt for the acceptance once it is stored.
func (a *Acceptance) Receipt() Receipt {
	r := Receipt{Event: a.Event.ID, Deliveries: make([]ID, len(a.Deliveries))}
	for i := range a.Deliveries {
		r.Deliveries[i] = a.Deliveries[i].ID
		if a.Deliveries[i].Status == Failed {
			r.Refused++
		}
	}
	if a.Published {
		r.Made = len(a.Deliveries)
	}
	return r
}

// ClaimRequest asks for due deliveries without a lease.
type ClaimRequest struct {
	Owner    string // of the leases; unique to this claim, see LeaseKey
	Now      time.Time
	Until    time.Time // when the leases end
	Limit    int       // the largest number of deliveries to claim
	Capacity int       // the largest number of deliveries of one subscription to claim
	Bytes    int       // claim no further delivery once the payloads add up to this size
	// CapacityOf overrides Capacity for subscriptions whose lane is partly filled. 0 means
	// that no delivery of that subscription may be claimed.
	CapacityOf map[ID]int
}

// Claim is the result of a ClaimRequest.
type Claim struct {
	Deliveries []Claimed
	// More reports whether further deliveries were due that the limits excluded.
	More bool
	// NextDue is the earliest time at which another delivery may be claimed: one that is not
	// due yet, or one whose endpoint is held back. It is zero if there is none.
	NextDue time.Time
	// Parked is how many deliveries the claim parked.
	Parked int
}

// MayBeDue sets NextDue to the given time if that is earlier. It ignores a zero time.
func (c *Claim) MayBeDue(at time.Time) {
	if !at.IsZero() && (c.NextDue.IsZero() || at.Before(c.NextDue)) {
		c.NextDue = at
	}
}

// MaxParked is the largest number of deliveries that one claim parks.
const MaxParked = 1000

// Settlement is the record of one attempt: the attempt itself, and the state of the delivery
// after it, provided that nothing else has changed the delivery since it was claimed. Apply
// computes the row to write. Recording the same attempt again changes nothing.
type Settlement struct {
	Delivery Delivery
	Attempt  Attempt // the store sets its Number
	// DisableReason, when not empty, makes the subscription inactive.
	DisableReason string
	// Health is how the attempt changes the health of the subscription's endpoint.
	Health HealthChange
}

// Submission is one request to publish an event to one subscription, as it was received.
type Submission struct {
	SubscriptionID ID
	Body           []byte // the whole request body; the callee may retain it
	ContentType    string
	IdempotencyKey string
	Header         http.Header // for the signature headers, if any
}

// Submitted is the result of a Submission that succeeded.
type Submitted struct {
	Receipt Receipt
	// Filtered means that the subscription does not want the event's type. Nothing was stored
	// and nothing will be sent. Reason is the explanation for the caller.
	Filtered bool
	Reason   string
}

// CapacityFor returns how many deliveries of a subscription the request may claim.
func (r ClaimRequest) CapacityFor(subscription ID) int {
	if capacity, ok := r.CapacityOf[subscription]; ok {
		return capacity
	}
	return r.Capacity
}

// Lease is the exclusive right to attempt a delivery until a certain time.
type Lease struct {
	Owner string
	Until time.Time
}

// LeaseKey identifies one lease. A delivery never has two leases with the same owner, because
// each claim has its own owner, a node's name and a number. So a call that arrives late can't
// affect a later lease of the same node.
type LeaseKey struct {
	Delivery ID
	Owner    string
}

// LeaseKey returns the key of the lease that d has.
func (d *Delivery) LeaseKey() LeaseKey { return LeaseKey{Delivery: d.ID, Owner: d.LeaseOwner} }
