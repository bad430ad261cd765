// Package event holds Hookferry's nouns and its rules.
//
// The nouns: a Subscription says where webhooks go and which event types it
// wants; an Event is one thing that happened, its payload kept byte for byte; a
// Delivery is one event on its way to one subscription; an Attempt is one HTTP
// request made for a delivery, and an Outcome is how that request ended.
//
// The rules: Settle (the state of a delivery after an attempt), RetryPolicy (when
// it is tried again), Health and Gate (when requests to an endpoint may start),
// TakeTurns (which due deliveries a claim takes), Wants (which event types match a
// pattern) and the checks of callers' input. Each is a pure function: the package
// does no I/O, reads no clock and imports nothing but the standard library, so that
// every other package may import it.
//
// Start with delivery.go for the nouns and settle.go for the state machine.
package event
