package event

import "time"

// DeliveryReport is a delivery with its attempts and the type of its event.
type DeliveryReport struct {
	Delivery  Delivery
	EventType string
	Attempts  []Attempt // oldest first
}

// AttemptReport is an attempt with the id and the type of its event.
type AttemptReport struct {
	Attempt   Attempt
	EventID   ID
	EventType string
}

// Depth counts the pending deliveries at one moment.
type Depth struct {
	Pending   int           // all pending deliveries
	Leased    int           // those that a node has leased
	Due       int           // due deliveries that are not leased, of subscriptions that are active and not paused
	OldestDue time.Duration // how long the oldest of these has been due
}

// Waiting counts the pending deliveries that no node has leased, at one moment.
type Waiting struct {
	Total int
	Many  map[ID]int // by subscription, for those that reach the count in the call
}
