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
	Payload     []byte // exactly as received: signatures are over bytes
	CreatedAt   time.Time

	// DataAt and DataLen are where the value of data lies in the payload, in bytes. A DataLen
	// of 0 says that it is not known, as for events that release 0.1.0 stored; see Data.
	DataAt, DataLen int
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

// Status is where a delivery stands. A lease is not a status: a delivery that is
// being attempted is still pending.
type Status uint8

// The moves: an attempt takes a delivery from Pending to Delivered or Failed (Settle); the
// service or an operator cancels what is Pending (Cancel); a resend brings what is settled
// back to Pending (Resend). A success that arrives late makes any of them Delivered (Apply).
const (
	Pending   Status = iota // waits for its first or next attempt
	Delivered               // the endpoint responded with 200-299
	Failed                  // no attempts are left, or another would be senseless
	Cancelled               // by an operator, or its subscription was deleted or stayed inactive past the retention
)

// Statuses are all of them, in the order of their numbers, which the stores keep.
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
	Attempts       int       // number of attempts on record
	DueAt          time.Time // when the next attempt may start; meaningless once settled
	LeaseOwner     string    // who works on it, or ""; with ID it names the lease, see LeaseKey
	LeasedUntil    time.Time // when the lease ends unless it is renewed
	CreatedAt      time.Time
	SettledAt      time.Time // when it left Pending; zero before
	DeliveredAt    time.Time // when it was first delivered; zero before. A resend leaves it

	// A round is one pass through the retry schedule; each resend begins another.
	Round     int // 0 for the first
	RoundFrom int // attempts that do not count for the schedule of this round
	Stray     int // attempts that were recorded past the fence; see Apply
}

// Claimed is a delivery that this node holds the lease of, with what it needs to
// be sent.
type Claimed struct {
	Delivery Delivery
	Event    Event
}

// Attempt is one HTTP request that was made for a delivery, or that the guard
// refused to make.
type Attempt struct {
	ID             ID
	DeliveryID     ID
	SubscriptionID ID
	Number         int // 1 for the first; unique within the delivery
	Outcome        Outcome
}

// Acceptance is what ingest asks the store to keep in one transaction: an event, and
// its deliveries to any number of subscriptions, or to none.
type Acceptance struct {
	Event      Event
	Deliveries []Delivery // of this event, each to another subscription
	// IdempotencyKey, which needs exactly one delivery, makes the store reply to a second
	// acceptance for the same subscription with the first one's ids if BodyHash is the
	// same too, and with ErrKeyReused if it is not.
	IdempotencyKey string
	BodyHash       [32]byte
}

// Receipt is the store's reply to an Acceptance: the event is on disk.
type Receipt struct {
	Event      ID
	Deliveries []ID // in the order of the Acceptance
	Replayed   bool // an earlier acceptance under the same idempotency key; nothing new was stored
}

// Check reports an acceptance that no store can keep, which is a mistake in this program.
func (a *Acceptance) Check() error {
	if a.IdempotencyKey != "" && len(a.Deliveries) != 1 {
		return fmt.Errorf("an acceptance under an idempotency key has %d deliveries, not one", len(a.Deliveries))
	}
	return nil
}

// Receipt is the reply to an acceptance that was stored.
func (a *Acceptance) Receipt() Receipt {
	ids := make([]ID, len(a.Deliveries))
	for i := range a.Deliveries {
		ids[i] = a.Deliveries[i].ID
	}
	return Receipt{Event: a.Event.ID, Deliveries: ids}
}

// ClaimRequest asks for due deliveries without a lease.
type ClaimRequest struct {
	Owner    string // of the leases; no other claim has it, see LeaseKey
	Now      time.Time
	Until    time.Time // when the lease ends
	Limit    int       // at most this many in all
	Capacity int       // at most this many of one subscription
	Bytes    int       // no further delivery once the payloads add up to this size
	// CapacityOf overrides Capacity for subscriptions whose lane is partly filled; 0 means
	// that none of that subscription may be claimed.
	CapacityOf map[ID]int
}

// Claim is what a ClaimRequest got.
type Claim struct {
	Deliveries []Claimed
	// More says that deliveries were due that the limits left behind.
	More bool
	// NextDue is when the next unclaimed delivery that is not due yet becomes so, or that
	// of an endpoint which asked for no requests may be claimed; zero if there is none.
	NextDue time.Time
	// Parked is how many deliveries the claim parked.
	Parked int
}

// MayBeDue notes that a delivery may be claimed at the time given; zero notes nothing.
func (c *Claim) MayBeDue(at time.Time) {
	if !at.IsZero() && (c.NextDue.IsZero() || at.Before(c.NextDue)) {
		c.NextDue = at
	}
}

// MaxParked is how many deliveries a claim parks at most.
const MaxParked = 1000

// Settlement is the record of one attempt: the attempt itself, and the delivery
// as it stands after it if nothing else has changed it since it was claimed. Apply says
// what becomes of the row. Recording an attempt again changes nothing.
type Settlement struct {
	Delivery Delivery
	Attempt  Attempt // the store sets its Number
	// DisableReason, when not empty, makes the subscription inactive.
	DisableReason string
	// Health is how the attempt changes the health of the subscription's endpoint.
	Health HealthChange
}

// Submission is one request to take an event in, as it came.
type Submission struct {
	SubscriptionID ID
	Body           []byte // the whole request body; whoever takes the submission may keep it
	ContentType    string
	IdempotencyKey string
	Header         http.Header // for the signature headers, if any
}

// Submitted is the answer to a Submission that was not an error.
type Submitted struct {
	Receipt Receipt
	// Filtered says that the subscription does not want the event's type: nothing
	// was stored and nothing is sent. Reason says it in words.
	Filtered bool
	Reason   string
}

// CapacityFor is how many of a subscription's deliveries the request may take.
func (r ClaimRequest) CapacityFor(subscription ID) int {
	if capacity, ok := r.CapacityOf[subscription]; ok {
		return capacity
	}
	return r.Capacity
}

// Lease is the right to work on a delivery until a certain time.
type Lease struct {
	Owner string
	Until time.Time
}

// LeaseKey names one lease. A delivery never has two leases with the same owner: each claim
// has an owner of its own, which is the name of a node and a number. So a call that arrives
// late can't touch a later lease of the same node.
type LeaseKey struct {
	Delivery ID
	Owner    string
}

// LeaseKey returns the name of the lease that d has.
func (d *Delivery) LeaseKey() LeaseKey { return LeaseKey{Delivery: d.ID, Owner: d.LeaseOwner} }
