// Package client is a small Go client for Hookferry's HTTP API.
//
// Create a [Client] with [New], create a subscription with [Client.CreateSubscription], and publish
// events: with [Client.Publish] to each of a tenant's subscriptions that wants them, or with
// [Client.PublishTo] to one subscription. [Client.Delivery] and [Client.Attempts] say what became of
// them.
//
// A response that is not a success becomes a [*Problem]. It contains the HTTP status, a code for
// programs, a sentence for people, and an entry for each wrong field.
//
// Names and units are those of the API. A null in the API is the zero value here. Unknown fields,
// which a newer service may send, are ignored.
//
// The client does not retry. If a request may or may not have arrived, it is safe to repeat it if
// it reads, puts, changes, pauses, resumes or deletes. It is safe to repeat a [Client.Publish],
// [Client.PublishTo] or [Client.PublishBatch] if each event has an IdempotencyKey.
//
// To receive webhooks, use package hookferry/webhook instead.
package client
