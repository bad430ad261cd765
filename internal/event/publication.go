package event

import "time"

// Publication is one event to publish to a tenant, as its publisher gave it.
type Publication struct {
	Tenant         string // the tenant's id
	Type           string
	Data           []byte // the JSON value, byte for byte; the callee may retain it
	Channels       []string
	Metadata       map[string]string
	DeliverAt      time.Time // when its deliveries are due; zero: at once
	Subscription   ID        // the only subscription to publish to; zero: all that match
	SingleAttempt  bool      // no retry follows the first attempt
	IdempotencyKey string    // unique in the tenant; "" for none
}

// Published is the result of a Publication that succeeded. The event is on disk.
type Published struct {
	Event      ID
	Tenant     string
	Deliveries int  // how many were made with it
	Refused    int  // how many of them failed at once, because their subscription's backlog is full
	Duplicate  bool // an earlier publication with the same key was accepted; nothing was stored
}

// PublishResult is the result of one Publication among several: Err, or Published if Err is nil.
type PublishResult struct {
	Published Published
	Err       error
}

// Match says whether one subscription matches an event.
type Match struct {
	Subscription ID
	Matched      bool
	Rule         string // the first rule that does not hold; "" if it matches
	Reason       string // a sentence without its full stop; "" if the subscription matches and is not paused
}
