// Package event defines Hookferry's nouns and its rules.
//
// The nouns: a Subscription says where webhooks go and which event types it
// wants. An Event is one thing that happened, with its payload byte for byte. A
// Delivery is one event on its way to one subscription. An Attempt is one HTTP
// request made for a delivery, and an Outcome is how that request ended.
//
// The rules: Settle (the state of a delivery after an attempt), RetryPolicy (when
// it is tried again), Health and Gate (when requests to an endpoint may start),
// TakeTurns (which due deliveries a claim takes), Wants (which event types match a
// pattern) and the checks of callers' input. Each is a pure function. The package
// does no I/O, reads no clock and imports only the standard library, so that every
// other package may import it.
//
// Start with delivery.go for the nouns and settle.go for the state machine.
package event
