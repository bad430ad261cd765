// Package store is the contract of the database drivers. A store holds subscriptions,
// events, deliveries and attempts. It is the single source of truth for what is still to be
// delivered.
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
// method that can't reach the database or write to it returns an error that wraps
// event.ErrUnavailable. It has then changed nothing, unless the connection broke during the
// commit. Methods that may be called again in that case say so.
//
// Times are stored to the microsecond and returned in UTC. Nodes compare due times and the
// ends of leases, so a driver for several nodes may store these by a clock that they share.
type Store interface {
	Tenants
	EventTypes
	Subscriptions
	Intake
	Queue
	Operations
	History
	Keys
	Upkeep
	Close() error
}

// Tenants stores tenants. The tenants "default" and "hookferry" always exist, with the numbers
// event.DefaultTenantNo and event.ServiceTenantNo.
type Tenants interface {
	// PutTenant creates a tenant, or replaces the name, metadata, limits and UpdatedAt of the one
	// with this ID. It ignores No, Version and DeletedAt. It returns the tenant after the change,
	// and whether it was created.
	PutTenant(ctx context.Context, t event.Tenant) (after event.Tenant, created bool, err error)
	// Tenant returns the tenant with this id. The error wraps ErrNotFound if there is none, or if
	// it was deleted.
	Tenant(ctx context.Context, id string) (event.Tenant, error)
	// ListTenants returns a page of tenants, ordered by the bytes of their ids.
	ListTenants(ctx context.Context, q event.TenantQuery) ([]event.Tenant, error)
	// DeleteTenant marks a tenant as deleted, revokes its API keys, and increases its version, in
	// one transaction. ClearTenants does the rest. The error wraps ErrNotFound if there is none,
	// or ErrBuiltIn if it can't be deleted.
	DeleteTenant(ctx context.Context, id string, at time.Time) error
	// ClearTenants deletes at most limit subscriptions of deleted tenants, with what
	// DeleteSubscription does, and returns their number. Call it until it returns 0.
	ClearTenants(ctx context.Context, now time.Time, limit int) (int, error)
	// TenantChanges returns the changes of a tenant's subscriptions after a version: all of its
	// subscriptions if after is 0, without deleted ones. At most limit subscriptions are
	// returned; unless these are all, To is the version of the last one, and less than
	// Tenant.Version. A deleted tenant is returned with its DeletedAt. It reads the newest state.
	// The error wraps ErrNotFound if there is no such tenant.
	TenantChanges(ctx context.Context, no, after int64, limit int) (event.TenantChanges, error)
}

// EventTypes stores the registry of event types. Each change increases the registry's version in
// the same transaction. An empty registry has the version 1.
type EventTypes interface {
	// PutEventType creates an event type, or replaces the description, schema, example and
	// UpdatedAt of the one with this name; it is not archived afterwards. It returns the event
	// type after the change, and whether it was created.
	PutEventType(ctx context.Context, t event.EventType) (after event.EventType, created bool, err error)
	// ArchiveEventType sets ArchivedAt. It changes nothing if the type is archived already. The
	// error wraps ErrNotFound if there is none.
	ArchiveEventType(ctx context.Context, name string, at time.Time) (event.EventType, error)
	// EventType returns an event type, even an archived one. The error wraps ErrNotFound if there
	// is none.
	EventType(ctx context.Context, name string) (event.EventType, error)
	// ListEventTypes returns at most limit event types with names after this one, including
	// archived ones, ordered by the bytes of their names.
	ListEventTypes(ctx context.Context, after string, limit int) ([]event.EventType, error)
	// EventTypesSince returns the event types that changed after a version of the registry, in the
	// order of their last change, and the registry's version now. It reads the newest state.
	EventTypesSince(ctx context.Context, after int64) (changed []event.EventType, now int64, err error)
}

// Subscriptions stores subscriptions. Each change to one, except for that of its endpoint's
// health, increases the version of its tenant in the same transaction.
type Subscriptions interface {
	// CreateSubscription stores a subscription, and its tenant if that does not exist. An empty
	// Tenant means event.DefaultTenant; TenantNo is ignored. The error wraps ErrUIDTaken, or
	// ErrTenantLimit if the tenant has as many subscriptions as its own limit, or that of the
	// driver's options, permits.
	CreateSubscription(ctx context.Context, s event.Subscription) error
	// Subscription returns a subscription. A deleted one is returned with its DeletedAt until
	// its history has expired. The error wraps ErrNotFound if there is none.
	Subscription(ctx context.Context, id event.ID) (event.Subscription, error)
	// SubscriptionByUID returns the subscription of a tenant with this uid. The error wraps
	// ErrNotFound if there is none or it is deleted.
	SubscriptionByUID(ctx context.Context, tenantNo int64, uid string) (event.Subscription, error)
	// ListSubscriptions returns a page of subscriptions that are not deleted.
	ListSubscriptions(ctx context.Context, q event.SubscriptionQuery) ([]event.Subscription, error)
	// ReplaceSubscription writes UpdatedAt and everything that a caller may set. If the secrets
	// of s are nil it keeps the present ones; an empty list removes them. The revision increases
	// by one. The tenant stays. It returns the subscription after the change. The error wraps
	// ErrNotFound if there is none, ErrChanged if the Revision of s is neither 0 nor the present
	// one, or ErrUIDTaken.
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
	// ErrNotFound if a subscription does not exist or was deleted meanwhile. For a published event,
	// it wraps ErrStale if the version of the registry or of the tenant is another one, unless
	// Rematch matches again, and ErrNotFound if the tenant was deleted.
	Accept(ctx context.Context, a event.Acceptance) (event.Receipt, error)
}

// Queue holds the deliveries that are still to be made.
type Queue interface {
	// Claim leases due deliveries that have no lease and that the gate of their subscription
	// permits (event.Gate). It is fair: each subscription with due deliveries gets a turn before
	// any of them gets a second one, however many are due. If a gate stays closed for long,
	// Claim parks the deliveries behind it, at most event.MaxParked in one call.
	Claim(ctx context.Context, r event.ClaimRequest) (event.Claim, error)
	// Record writes attempts, and the rows of their deliveries as event.Apply returns them. It
	// assigns the number of each attempt. When it returns without an error, all are on disk.
	// Recording an attempt again changes nothing. An attempt of a delivery that no longer exists
	// is dropped. Changes of an endpoint's health (event.Health) are written in the same
	// transaction. Record does not retain the slice.
	Record(ctx context.Context, settlements []event.Settlement) error
	// Renew extends leases and returns those that no longer exist. A lease that ran out exists
	// until Rescue ends it.
	Renew(ctx context.Context, leases []event.LeaseKey, until time.Time) (lost []event.LeaseKey, err error)
	// Release ends leases without an attempt. It changes neither the due times of the deliveries
	// nor a later lease of the same delivery.
	Release(ctx context.Context, leases []event.LeaseKey) error
	// Rescue ends leases of any owner that ran out at from or later, and before now. If from is
	// zero, it ends all that ran out before now. Parked deliveries stay parked.
	Rescue(ctx context.Context, from, now time.Time) (int, error)
	// Unpark makes at most limit parked deliveries due again whose gates permit them, and returns
	// their number. Of each subscription, it takes those that were due first.
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
	// CreateKey stores a key. TenantNo is ignored. The error wraps ErrNotFound if the key is bound
	// to a tenant that does not exist. A bound key is stored with a scope that release 0.1.0 does
	// not know, so that a node of that release refuses it.
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
	// cancelled. They count too, and now is the time at which they settle. Idempotency keys of
	// that age are deleted. Call Expire until it returns 0.
	Expire(ctx context.Context, before time.Time, now time.Time, limit int) (int, error)
	// Ping checks that the database responds, is not read-only, and had free disk space when it
	// was last written to. It writes nothing itself: only writes find out that the disk is full,
	// and Ping reports that for a while (DiskSpace).
	Ping(ctx context.Context) error
}
