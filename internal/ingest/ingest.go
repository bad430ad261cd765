// Package ingest is stage 1: it accepts events.
//
// There are two ways in. Ingest (below) is for one subscription: find it, check the signature,
// read the event type, check it against the registry, match it, check the backlog, store the
// event and its delivery in one transaction, and hand the delivery to the dispatcher. Publish
// (publish.go) is for all subscriptions of a tenant: find those that match in an index, store the
// event with a delivery to each in one transaction, and hand those over. Neither returns before
// everything is on disk. The package does not know HTTP: package api calls it and translates its
// errors.
//
// Start with Ingest, then Publish. body.go reads the body of ingest and publication.go checks
// what is published; tenants.go has the indexes and types.go the registry of event types;
// backlog.go limits the pending deliveries, and brake.go slows publishers down while the workers
// are behind.
package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
	"github.com/hookferry/hookferry/internal/ingest/match"
	"github.com/hookferry/hookferry/webhook"
)

// Subscriptions finds the subscription that a request names.
type Subscriptions interface {
	Subscription(ctx context.Context, id event.ID) (event.Subscription, error)
}

// Store writes accepted events.
type Store interface {
	Accept(ctx context.Context, a event.Acceptance) (event.Receipt, error)
}

// Handoff is the dispatcher of this node. After each successful Reserve or TryReserve, the caller calls
// Deliver or Cancel exactly once.
type Handoff interface {
	// Reserve reserves capacity for one delivery with a payload of size bytes. To slow
	// publishers down, it may wait for capacity, but not after ctx has ended. If it succeeds,
	// it returns the lease to store the delivery with.
	Reserve(ctx context.Context, sub event.Subscription, size int) (l event.Lease, ok bool)
	// TryReserve is like Reserve but never waits.
	TryReserve(sub event.Subscription, size int) (l event.Lease, ok bool)
	// Deliver hands over a delivery that was stored with the lease.
	Deliver(c event.Claimed)
	// Cancel releases a reservation.
	Cancel(subscription event.ID, size int)
	// Overflow reports that a delivery was stored without a lease.
	Overflow(subscription event.ID)
}

// Observer counts events. Accepted is called when the event is on disk.
type Observer interface {
	Accepted()
	Filtered()
}

// Ingest accepts events.
type Ingest struct {
	Subscriptions Subscriptions
	Store         Store
	Handoff       Handoff
	Observer      Observer
	Types         *Types   // nil: any type and data
	Filters       *Filters // nil: no cache
	Backlog       *Backlog // nil: no limit on pending deliveries
	Now           func() time.Time
}

// Ingest stores the event and its delivery and hands the delivery to the dispatcher. When
// it returns without an error and the event was not filtered, both are on disk.
//
// The error wraps ErrNotFound, ErrInactive, ErrUnauthorized, ErrSealed, ErrMalformed,
// *InvalidError, ErrBacklog, ErrKeyReused or ErrUnavailable of package event, or is the error of
// ctx.
func (in *Ingest) Ingest(ctx context.Context, s event.Submission) (event.Submitted, error) {
	sub, err := in.Subscriptions.Subscription(ctx, s.SubscriptionID)
	if err != nil {
		return event.Submitted{}, err
	}
	if sub.Deleted() {
		return event.Submitted{}, fmt.Errorf("%w: subscription %s", event.ErrNotFound, sub.ID)
	}
	if err := in.checkSignature(sub, s); err != nil {
		return event.Submitted{}, err
	}
	if !sub.Active {
		return event.Submitted{}, inactive(sub)
	}
	e, err := readEnvelope(s.Body)
	if err != nil {
		return event.Submitted{}, err
	}
	if _, err := in.Types.check(ctx, e.eventType, e.data(s.Body)); err != nil {
		return event.Submitted{}, err
	}
	if reason := in.unwanted(&sub, e, s.Body); reason != "" {
		in.Observer.Filtered()
		return event.Submitted{Filtered: true, Reason: reason}, nil
	}
	if err := in.Backlog.check(sub.ID); err != nil {
		return event.Submitted{}, err
	}
	receipt, err := in.accept(ctx, sub, s, e)
	if err != nil {
		return event.Submitted{}, err
	}
	return event.Submitted{Receipt: receipt}, nil
}

// unwanted returns why the subscription does not want the event, or "". Channels do not apply: the
// event was published to this subscription.
func (in *Ingest) unwanted(sub *event.Subscription, e envelope, body []byte) string {
	if !event.Wants(sub.EventTypes, e.eventType) {
		return fmt.Sprintf("the subscription wants %q, not %q", sub.EventTypes, e.eventType)
	}
	if len(sub.Filter) == 0 {
		return ""
	}
	return in.Filters.Filter(sub.Filter).Why(&match.Event{Type: e.eventType, Tenant: sub.Tenant, Data: e.data(body), Direct: true})
}

// accept stores the event and its delivery. If the dispatcher has capacity, the delivery is
// stored as already claimed, and otherwise as due and unclaimed.
func (in *Ingest) accept(ctx context.Context, sub event.Subscription, s event.Submission, e envelope) (event.Receipt, error) {
	now := in.Now()
	a := event.Acceptance{
		Event: event.Event{
			ID: event.NewID(now), Type: e.eventType, ContentType: s.ContentType, Payload: s.Body, CreatedAt: now, DataAt: e.dataAt, DataLen: e.dataLen,
			TenantNo: sub.TenantNo,
		},
		IdempotencyKey: s.IdempotencyKey,
	}
	a.Deliveries = []event.Delivery{{
		ID: event.DeliveryID(a.Event.ID, sub.ID), EventID: a.Event.ID, SubscriptionID: sub.ID, DueAt: now, CreatedAt: now,
	}}
	d := &a.Deliveries[0]
	if a.IdempotencyKey != "" {
		a.BodyHash = sha256.Sum256(s.Body)
	}
	lease, reserved := in.Handoff.Reserve(ctx, sub, len(s.Body))
	if reserved {
		d.LeaseOwner, d.LeasedUntil = lease.Owner, lease.Until
	}

	faultpoint.Reach("ingest: accepting")
	receipt, err := in.Store.Accept(ctx, a)
	faultpoint.Reach("ingest: accepted")

	stored := err == nil && !receipt.Replayed
	switch {
	case reserved && stored:
		in.Handoff.Deliver(event.Claimed{Delivery: *d, Event: a.Event})
	case reserved:
		in.Handoff.Cancel(sub.ID, len(s.Body))
	case stored:
		in.Handoff.Overflow(sub.ID)
	}
	faultpoint.Reach("ingest: handed-over")
	if stored {
		in.Observer.Accepted()
	}
	return receipt, err
}

// checkSignature verifies the request's signature, if there is one and the subscription has
// a secret. It fails if the subscription requires a signature and there is none.
func (in *Ingest) checkSignature(sub event.Subscription, s event.Submission) error {
	signed := s.Header.Get(webhook.HeaderSignature) != "" || s.Header.Get(webhook.HeaderHubSignature) != ""
	if !signed && !sub.RequireSignature {
		return nil
	}
	if sub.Sealed != "" {
		return fmt.Errorf("%w: %s", event.ErrSealed, sub.Sealed)
	}
	if len(sub.Secrets) == 0 {
		if sub.RequireSignature {
			return fmt.Errorf("%w: the subscription requires a signature, but has no secret to check one with", event.ErrUnauthorized)
		}
		return nil
	}
	secrets := make([]string, len(sub.Secrets))
	for i, secret := range sub.Secrets {
		secrets[i] = string(secret)
	}
	v, err := webhook.NewVerifier(secrets, webhook.WithClock(in.Now))
	if err == nil {
		err = v.Verify(s.Header, s.Body)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", event.ErrUnauthorized, err)
	}
	return nil
}

func inactive(sub event.Subscription) error {
	if sub.DisabledReason != "" {
		return fmt.Errorf("%w: %s", event.ErrInactive, sub.DisabledReason)
	}
	return event.ErrInactive
}
