package event

import "time"

// DeliveryReport is a delivery with all that is known of it.
type DeliveryReport struct {
	Delivery  Delivery
	EventType string
	Attempts  []Attempt // the first attempt first
}

// AttemptReport is an attempt with the type of the event it carried.
type AttemptReport struct {
	Attempt   Attempt
	EventID   ID
	EventType string
}

// Depth is what is pending at one moment.
type Depth struct {
	Pending   int           // all that is not settled
	Leased    int           // of these, leased by a node
	Due       int           // of these, due, leased by no node, and of a subscription that is active and not paused
	OldestDue time.Duration // for how long the oldest of those due has been so
}

// Waiting is what is pending and leased by no node, at one moment.
type Waiting struct {
	Total int
	Many  map[ID]int // by subscription, those that were asked for
}
