// Package store is the contract of the database drivers. A store holds subscriptions,
// events, deliveries and attempts, and is the only truth about what is still to be done.
//
// The contract is a set of small interfaces of plain values, one for each caller. Each
// method says what it promises, and package storetest tests it. A driver writes what the
// rules in package event decide; it decides nothing itself.
//
// Start with Store, then a driver: store/sqlite, or store/postgres for several nodes.
package store

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Store is the whole contract of a driver. All methods are safe for concurrent use. A
// method that fails because the database can't be reached or written at present returns an
// error that wraps event.ErrUnavailable. In that case it has changed nothing, unless the
// connection broke during the commit itself: methods that may be repeated then say so.
//
// Times are stored to the microsecond and returned in UTC. A driver for several nodes may
// store the times that nodes compare, those of leases and due times, by a clock they share.
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

// Subscriptions stores subscriptions.
type Subscriptions interface {
	CreateSubscription(ctx context.Context, s event.Subscription) error
	// Subscription returns a subscription. A deleted one is returned with its DeletedAt until
	// its history has expired. The error wraps ErrNotFound if there is none.
	Subscription(ctx context.Context, id event.ID) (event.Subscription, error)
	// ListSubscriptions returns at most limit subscriptions that are not deleted and were
	// created before the one with the id before, newest first. A zero id starts with the newest.
	ListSubscriptions(ctx context.Context, before event.ID, limit int) ([]event.Subscription, error)
	// ReplaceSubscription writes UpdatedAt and everything that a caller may set. If the secrets
	// of s are nil it keeps the present ones; an empty list removes them. The revision increases
	// by one. It returns the subscription after the change. The error wraps ErrNotFound if there
	// is none, or ErrChanged if the Revision of s is neither 0 nor the present one.
	ReplaceSubscription(ctx context.Context, s event.Subscription) (event.Subscription, error)
	// SwapSecrets replaces the secrets and headers of from by those of to, which is the same
	// subscription. It returns false and changes nothing if they are no longer those of from, or
	// the subscription is deleted. It changes nothing else and sends no hint: it is for sealing
	// the same secrets in another way.
	SwapSecrets(ctx context.Context, from, to event.Subscription) (bool, error)
	// PauseSubscription makes the deliveries of a subscription wait. If it is already paused, it
	// keeps its PausedAt, and who paused it and why are replaced. The error wraps ErrNotFound if
	// there is none.
	PauseSubscription(ctx context.Context, id event.ID, p event.Pause) (event.Subscription, error)
	// ResumeSubscription ends a pause. It changes nothing if there is no pause. The error wraps
	// ErrNotFound if there is no such subscription.
	ResumeSubscription(ctx context.Context, id event.ID, at time.Time) (event.Subscription, error)
	// DeleteSubscription marks a subscription as deleted, erases its secrets and headers, and
	// cancels its pending deliveries, in one transaction. The error wraps ErrNotFound if there is
	// none, or ErrChanged if revision is neither 0 nor the present one.
	DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error
}

// Intake accepts events.
type Intake interface {
	// Accept stores an event and all its deliveries, whose ids are derived from the event's
	// (event.DeliveryID). When it returns without an error, all are on disk. Concurrent
	// calls share a transaction. If it returns an error, nothing of the acceptance is stored.
	// The error wraps ErrKeyReused if the idempotency key was used with another body, and
	// ErrNotFound if a subscription does not exist or was deleted meanwhile.
	Accept(ctx context.Context, a event.Acceptance) (event.Receipt, error)
}

// Queue holds the deliveries that are still to be made.
type Queue interface {
	// Claim leases due deliveries that have no lease and that the gate of their subscription
	// permits (event.Gate). It is fair: each subscription with due deliveries gets a turn before
	// any of them gets a second one, however many are due. It parks at most event.MaxParked of
	// those deliveries that the gate holds back for long.
	Claim(ctx context.Context, r event.ClaimRequest) (event.Claim, error)
	// Record writes attempts, and the rows of their deliveries as event.Apply returns them. It
	// assigns the number of each attempt. When it returns without an error, all are on disk. It
	// may be repeated: an attempt that is already on record changes nothing. An attempt of a
	// delivery that no longer exists is dropped. Changes of an endpoint's health are written in
	// the same transaction (event.Health). Record does not retain the slice.
	Record(ctx context.Context, settlements []event.Settlement) error
	// Renew extends leases and returns those that no longer exist. A lease that ran out exists
	// until Rescue ends it.
	Renew(ctx context.Context, leases []event.LeaseKey, until time.Time) (lost []event.LeaseKey, err error)
	// Release ends leases without an attempt. The due times of the deliveries stay. A later
	// lease of the same delivery stays, too.
	Release(ctx context.Context, leases []event.LeaseKey) error
	// Rescue ends leases of any owner that ran out at from or later, and before now. The zero from
	// means all that ran out before now. Parked deliveries stay parked.
	Rescue(ctx context.Context, from, now time.Time) (int, error)
	// Unpark makes at most limit parked deliveries due again that the gates of their
	// subscriptions permit, and returns their number. Of one subscription it takes those that
	// were due first.
	Unpark(ctx context.Context, now time.Time, limit int) (int, error)
}

// Operations are an operator's operations on one delivery. Each decides and writes in one
// transaction and returns the delivery after the change. The error wraps ErrNotFound if there is
// none.
type Operations interface {
	// Resend applies event.Resend and returns its errors. The error wraps ErrInactive if the
	// subscription is not active or was deleted.
	Resend(ctx context.Context, delivery event.ID, at time.Time, force bool) (event.Delivery, error)
	// Cancel applies event.Cancel.
	Cancel(ctx context.Context, delivery event.ID, at time.Time) (event.Delivery, error)
}

// History reads deliveries and attempts.
type History interface {
	// Delivery returns a delivery with its event's type and its attempts, oldest first.
	Delivery(ctx context.Context, id event.ID) (event.DeliveryReport, error)
	// EventDeliveries returns the ids of an event's deliveries in ascending order, at most
	// limit. The error wraps ErrNotFound if it finds none. It finds deliveries by the range of
	// ids that event.DeliveryID derives, so it does not find those that release 0.1.0 stored.
	EventDeliveries(ctx context.Context, event event.ID, limit int) ([]event.ID, error)
	// ListAttempts returns at most limit attempts of a subscription that were made before the
	// one with the id before, newest first. A zero id starts with the newest.
	ListAttempts(ctx context.Context, subscription, before event.ID, limit int) ([]event.AttemptReport, error)
	// Depth counts pending deliveries. Parked deliveries do not count as leased.
	Depth(ctx context.Context, now time.Time) (event.Depth, error)
	// Waiting counts the pending deliveries that no node has leased, including parked ones: in
	// all, and for each subscription that has at least many. It reads only the rows that it
	// counts.
	Waiting(ctx context.Context, many int) (event.Waiting, error)
	// Count counts all stored deliveries by status. It reads all of them, and is for tests,
	// demonstrations and audits.
	Count(ctx context.Context) (map[event.Status]int, error)
	// Audit looks for rows that break a rule, at one moment, and returns its findings in the
	// order of the rules. It reads the whole database. Deliveries of events accepted before kept
	// may have expired.
	Audit(ctx context.Context, now, kept time.Time) ([]event.Finding, error)
}

// Keys stores the hashes of API keys, never the keys themselves.
type Keys interface {
	CreateKey(ctx context.Context, k event.APIKey) error
	// KeyByHash returns the key with the hash, even if it was revoked or has expired. The error
	// wraps ErrNotFound if there is none.
	KeyByHash(ctx context.Context, hash [32]byte) (event.APIKey, error)
	// ListKeys returns all keys, including revoked and expired ones.
	ListKeys(ctx context.Context) ([]event.APIKey, error)
	// RevokeKey revokes a key. The error wraps ErrNotFound if there is none or it is already
	// revoked.
	RevokeKey(ctx context.Context, id event.ID, at time.Time) error
	// KeyUsed records when a key was used. It changes nothing if a later use is on record or
	// there is no such key.
	KeyUsed(ctx context.Context, id event.ID, at time.Time) error
}

// Upkeep keeps the database small and reports its state.
type Upkeep interface {
	// Expire deletes at most limit deliveries that settled before the given time, with their
	// attempts, and returns their number. An event is deleted with its last delivery. An event
	// without deliveries is deleted at the same age and counts like a delivery. A driver that
	// stores the deliveries of some hours together may delete all of them at once, when the
	// last of them is old enough. Pending deliveries are not deleted. But if a subscription has
	// been inactive or paused since before the given time, its deliveries of that age are
	// cancelled; they count too, and settle now. Idempotency keys of that age are deleted.
	// Call Expire until it returns 0.
	Expire(ctx context.Context, before time.Time, now time.Time, limit int) (int, error)
	// Ping checks that the database responds, is not read-only, and had free disk space when it
	// was last written to. It writes nothing itself: only writes find out that the disk is full,
	// and Ping reports that for a while (DiskSpace).
	Ping(ctx context.Context) error
}
