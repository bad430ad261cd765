// Package client is a small Go client of Hookferry's HTTP API.
//
// Make a [Client] with [New], create a subscription with
// [Client.CreateSubscription], send events to it with [Client.Publish], and ask
// what became of them with [Client.Delivery] and [Client.Attempts].
//
// An answer that is not a success is a [*Problem]: it has the HTTP status, a code
// for programs and a sentence for people, and names each field that was wrong.
//
// Names and units are those of the API: what is null there is the zero value
// here. Fields that a newer service adds are passed over.
//
// The client retries nothing. A request that may or may not have arrived is safe
// to repeat where it reads, changes, pauses, resumes or deletes; a [Client.Publish]
// is, where the event has an IdempotencyKey.
//
// Receivers of webhooks need package hookferry/webhook instead.
package client
