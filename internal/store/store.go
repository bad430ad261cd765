// Package store is the contract that every database driver fulfils: where
// subscriptions, events, deliveries and attempts are kept, and the only truth
// about what is still to be done.
//
// The contract is a set of small role interfaces, one for each neighbour, made
// of plain values. Each method says what it promises; package storetest holds a
// driver to it. A driver writes what the rules in package event decided; it
// decides nothing itself.
//
// Start with Store, then a driver: store/sqlite, or store/postgres for several nodes.
package store

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Store is all that a driver fulfils. Every method may be called from many
// goroutines at once. A method that fails because the database can't be reached
// or written at present returns an error that wraps event.ErrUnavailable. Then
// what it was asked is not done, unless the connection broke during the commit
// itself: a method that may be repeated in that case says so.
//
// Times are kept to the microsecond and come back in UTC. A driver for several nodes may
// keep what they compare, leases and due times, in a clock that they share.
type Store interface {
	Subscriptions
	Intake
	Queue
	Operations
	History
	Keys
	Upkeep
	Close() error
}

// Subscriptions keeps the subscriptions.
type Subscriptions interface {
	CreateSubscription(ctx context.Context, s event.Subscription) error
	// Subscription returns ErrNotFound for one that never was, and a deleted one
	// with its DeletedAt set as long as its history is kept.
	Subscription(ctx context.Context, id event.ID) (event.Subscription, error)
	// ListSubscriptions returns at most limit that exist, newest first, those made
	// before the cursor's; a zero cursor begins at the newest.
	ListSubscriptions(ctx context.Context, before event.ID, limit int) ([]event.Subscription, error)
	// ReplaceSubscription writes all that a caller may set and UpdatedAt, and keeps
	// the secrets if those of s are nil; an empty list removes them. The revision rises by
	// one. It returns the subscription as it then stands, or ErrNotFound, or ErrChanged if the
	// Revision of s is not 0 and not the present one.
	ReplaceSubscription(ctx context.Context, s event.Subscription) (event.Subscription, error)
	// SwapSecrets writes the secrets and headers of to over those of from, which is the
	// same subscription, if they are still the same and it is not deleted, and reports
	// whether it did. Nothing else changes, and nobody is told: it is for writing in
	// another way what stays the same to whoever reads it.
	SwapSecrets(ctx context.Context, from, to event.Subscription) (bool, error)
	// PauseSubscription makes its deliveries wait. One that is paused already keeps the time
	// of that; who paused it, and why, are replaced. ErrNotFound if there is none.
	PauseSubscription(ctx context.Context, id event.ID, p event.Pause) (event.Subscription, error)
	// ResumeSubscription ends a pause; without one, it changes nothing. ErrNotFound if there
	// is none.
	ResumeSubscription(ctx context.Context, id event.ID, at time.Time) (event.Subscription, error)
	// DeleteSubscription marks it deleted, wipes its secrets and headers, and
	// cancels its pending deliveries, in one transaction. ErrNotFound if there is none, and
	// ErrChanged if revision is not 0 and not the present one.
	DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error
}

// Intake accepts events.
type Intake interface {
	// Accept keeps an event and all its deliveries, whose ids are derived from the event's
	// (event.DeliveryID). When it returns without an error, all are on disk. Concurrent
	// calls share a transaction. If it returns an error, nothing of the acceptance is kept.
	// The error wraps ErrKeyReused if the idempotency key stands for another body, and
	// ErrNotFound if a subscription does not exist or was deleted meanwhile.
	Accept(ctx context.Context, a event.Acceptance) (event.Receipt, error)
}

// Queue is the deliveries that are still to be made.
type Queue interface {
	// Claim leases due deliveries without a lease, as the gate of their subscription lets
	// them pass (event.Gate), fairly: each subscription with something due gets its turn
	// before any gets a second one, however many are due. It parks some of what may not pass
	// for long, at most event.MaxParked deliveries.
	Claim(ctx context.Context, r event.ClaimRequest) (event.Claim, error)
	// Record writes attempts and what event.Apply makes of their deliveries' rows. It gives
	// each attempt its number. When it returns without an error, all are on disk. It may be
	// repeated: what is on record already changes nothing. An attempt of a delivery that does
	// not exist any more is not kept. What an attempt says of the health of an endpoint is
	// written with it (event.Health). The list is the caller's again when it returns.
	Record(ctx context.Context, settlements []event.Settlement) error
	// Renew moves the end of leases, and returns those that have ended. A lease that ran
	// out lasts until Rescue ends it.
	Renew(ctx context.Context, leases []event.LeaseKey, until time.Time) (lost []event.LeaseKey, err error)
	// Release ends leases without an attempt having been made; the deliveries are due when
	// they were. A later lease of the same delivery stays.
	Release(ctx context.Context, leases []event.LeaseKey) error
	// Rescue ends leases that ran out before the time given, whoever held them. Parked
	// deliveries stay parked.
	Rescue(ctx context.Context, now time.Time) (int, error)
	// Unpark makes parked deliveries due again, at most limit of them, those of a
	// subscription that were due first before its others, as far as its gate lets them pass.
	// It returns how many.
	Unpark(ctx context.Context, now time.Time, limit int) (int, error)
}

// Operations are what an operator asks for. Each decides and writes in one transaction, and
// returns the delivery as it then stands. ErrNotFound if there is none.
type Operations interface {
	// Resend does what event.Resend says, and returns its errors. The error wraps ErrInactive
	// if the subscription is not active or was deleted.
	Resend(ctx context.Context, delivery event.ID, at time.Time, force bool) (event.Delivery, error)
	// Cancel does what event.Cancel says.
	Cancel(ctx context.Context, delivery event.ID, at time.Time) (event.Delivery, error)
}

// History answers what became of things.
type History interface {
	// Delivery returns a delivery with its event's type and its attempts, the
	// first attempt first.
	Delivery(ctx context.Context, id event.ID) (event.DeliveryReport, error)
	// EventDeliveries returns the ids of at most limit deliveries of an event, the smallest
	// first, or ErrNotFound if it finds none. It looks where event.DeliveryID puts them:
	// deliveries that release 0.1.0 stored have other ids, and are not found.
	EventDeliveries(ctx context.Context, event event.ID, limit int) ([]event.ID, error)
	// ListAttempts returns at most limit attempts of a subscription, newest first,
	// those made before the cursor's; a zero cursor begins at the newest.
	ListAttempts(ctx context.Context, subscription, before event.ID, limit int) ([]event.AttemptReport, error)
	// Depth counts what is pending. Parked deliveries are leased by no node.
	Depth(ctx context.Context, now time.Time) (event.Depth, error)
	// Waiting counts what is pending and leased by no node, parked deliveries too: all of it,
	// and that of each subscription of which at least many wait. It reads what it counts, and
	// nothing else.
	Waiting(ctx context.Context, many int) (event.Waiting, error)
	// Count counts the deliveries that are kept, by status: the account. It reads
	// all of them and is meant for tests, demonstrations and audits.
	Count(ctx context.Context) (map[event.Status]int, error)
	// Audit looks for rows that break a rule, at one moment, and returns what it found
	// in the order of the rules. It reads everything that is kept. Of events from before
	// kept, some deliveries may have expired.
	Audit(ctx context.Context, now, kept time.Time) ([]event.Finding, error)
}

// Keys keeps the API keys: their hashes, never themselves.
type Keys interface {
	CreateKey(ctx context.Context, k event.APIKey) error
	// KeyByHash returns ErrNotFound for a hash that no key has, and a key that was
	// revoked or has ended with the time of that, as ListKeys does, too.
	KeyByHash(ctx context.Context, hash [32]byte) (event.APIKey, error)
	ListKeys(ctx context.Context) ([]event.APIKey, error)
	// RevokeKey returns ErrNotFound where there is no such key, or it is revoked.
	RevokeKey(ctx context.Context, id event.ID, at time.Time) error
	// KeyUsed notes when a key was used. A time before the one that is noted changes
	// nothing, and neither does a key that there is not.
	KeyUsed(ctx context.Context, id event.ID, at time.Time) error
}

// Upkeep keeps the database small and says how it is.
type Upkeep interface {
	// Expire deletes what settled before the time given, at most limit deliveries
	// with their attempts, and returns how many. An event is deleted with its last
	// delivery, and one without any when it is as old; that counts like a delivery. A driver
	// that keeps the deliveries of a few hours apart may delete all of those at once, when the
	// last of them is old enough, and until then keep the others. What is pending stays,
	// unless its subscription has been inactive or paused since before then and it is as old:
	// that is cancelled, and counts as settled now. Idempotency keys of that age are deleted, too.
	// Call it until it returns 0.
	Expire(ctx context.Context, before time.Time, now time.Time, limit int) (int, error)
	// Ping makes sure that the database answers, is not one that can only be read, and
	// found free disk space when it was last written to. It writes nothing itself: that a disk is
	// full is found by whoever writes, and told here for a while (DiskSpace).
	Ping(ctx context.Context) error
}
