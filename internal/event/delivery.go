package event

import (
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
}

// Status is where a delivery stands. A lease is not a status: a delivery that is
// being attempted is still pending.
type Status uint8

// The only moves are from Pending to one of the others; those are final.
const (
	Pending   Status = iota // waits for its first or next attempt
	Delivered               // the receiver answered 200-299
	Failed                  // no attempts are left, or another would be senseless
	Cancelled               // its subscription was deleted, or stayed inactive past the retention
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
	ID             ID
	EventID        ID
	SubscriptionID ID
	Status         Status
	Attempts       int       // how many were made; also the fence: see Settlement
	DueAt          time.Time // when the next attempt may start; meaningless once settled
	LeaseOwner     string    // the node that works on it, or ""
	LeasedUntil    time.Time // when the lease ends unless it is renewed
	CreatedAt      time.Time
	SettledAt      time.Time // when it left Pending; zero before
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
	Number         int // 1 for the first
	Outcome        Outcome
}

// Acceptance is what ingest asks the store to keep in one transaction.
type Acceptance struct {
	Event    Event
	Delivery Delivery
	// IdempotencyKey, when not empty, makes the store answer a second acceptance
	// for the same subscription with the first one's ids, if BodyHash is the same
	// too, and with ErrKeyReused if it is not.
	IdempotencyKey string
	BodyHash       [32]byte
}

// Receipt is the store's answer to an Acceptance: the event is on disk.
type Receipt struct {
	EventID    ID
	DeliveryID ID
	Replayed   bool // an earlier acceptance under the same idempotency key; nothing new was stored
}

// ClaimRequest asks for due deliveries that nobody holds.
type ClaimRequest struct {
	Owner string
	Now   time.Time
	Until time.Time // when the lease ends
	Limit int       // at most so many in all
	Room  int       // at most so many of one subscription
	Bytes int       // no further delivery once the payloads add up to so many
	// RoomOf overrides Room for subscriptions whose lane is partly filled; 0 means
	// that none of that subscription may be claimed.
	RoomOf map[ID]int
}

// Claim is what a ClaimRequest got.
type Claim struct {
	Deliveries []Claimed
	// More says that deliveries were due that the limits left behind.
	More bool
	// NextDue is when the next unclaimed delivery that is not due yet becomes so;
	// zero if there is none.
	NextDue time.Time
}

// Settlement is the record of one attempt: the attempt itself, and the delivery
// as it stands after it.
//
// It is fenced: the delivery is changed only while its row is still pending and
// stands at Attempt.Number-1 attempts, as it was claimed. The attempt is put on
// record in any case, because it was made; recording it again changes nothing.
type Settlement struct {
	Delivery Delivery
	Attempt  Attempt
	// DisableReason, when not empty, makes the subscription inactive.
	DisableReason string
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

// RoomFor is how many of a subscription's deliveries the request may take.
func (r ClaimRequest) RoomFor(subscription ID) int {
	if room, ok := r.RoomOf[subscription]; ok {
		return room
	}
	return r.Room
}

// Lease is the right to work on a delivery until a certain time.
type Lease struct {
	Owner string
	Until time.Time
}
