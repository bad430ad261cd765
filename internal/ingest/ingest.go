// Package ingest is station 1: it takes one webhook in.
//
// Ingest (below) reads top to bottom: find the subscription, check the signature,
// read the event type, match it, see that the backlog has room, store event and
// delivery in one transaction, hand them over. It never answers before they are on
// disk. It speaks no HTTP: package api does, and what Ingest returns as an error is
// translated there.
//
// Start with Ingest; body.go reads the body, backlog.go bounds what waits.
package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
	"github.com/hookferry/hookferry/webhook"
)

// Subscriptions finds the subscription that a request names.
type Subscriptions interface {
	Subscription(ctx context.Context, id event.ID) (event.Subscription, error)
}

// Store keeps what was accepted.
type Store interface {
	Accept(ctx context.Context, a event.Acceptance) (event.Receipt, error)
}

// Handoff is the dispatcher of this node. A reservation that Reserve granted is
// followed by exactly one Deliver or Cancel.
type Handoff interface {
	// Reserve asks for room for one delivery with a payload of so many bytes, and may
	// wait for it as long as those who post should be slowed down, or until ctx ends. Where
	// there is some, it returns the lease to store the delivery with.
	Reserve(ctx context.Context, sub event.Subscription, size int) (l event.Lease, ok bool)
	// Deliver hands over what was stored with the lease.
	Deliver(c event.Claimed)
	// Cancel gives a reservation back.
	Cancel(subscription event.ID, size int)
	// Overflow says that a delivery was stored without a lease.
	Overflow(subscription event.ID)
}

// Observer counts. Accepted is called when the event is on disk.
type Observer interface {
	Accepted()
	Filtered()
}

// Ingest takes submissions in.
type Ingest struct {
	Subscriptions Subscriptions
	Store         Store
	Handoff       Handoff
	Observer      Observer
	Backlog       *Backlog // nil: any number may wait
	Now           func() time.Time
}

// Ingest stores the event with its delivery and hands it to the dispatcher. When
// it returns without an error and not filtered, both are on disk.
//
// Errors: ErrNotFound, ErrInactive, ErrUnauthorized, ErrSealed, ErrMalformed, *InvalidError,
// ErrBacklog, ErrKeyReused and ErrUnavailable, all of package event, and that of ctx.
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
	if !event.Wants(sub.EventTypes, e.eventType) {
		in.Observer.Filtered()
		return event.Submitted{Filtered: true, Reason: fmt.Sprintf("the subscription wants %q, not %q", sub.EventTypes, e.eventType)}, nil
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

// accept stores the event as already claimed where the dispatcher has room, and as
// due and unclaimed where it has none.
func (in *Ingest) accept(ctx context.Context, sub event.Subscription, s event.Submission, e envelope) (event.Receipt, error) {
	now := in.Now()
	a := event.Acceptance{
		Event: event.Event{
			ID: event.NewID(now), Type: e.eventType, ContentType: s.ContentType, Payload: s.Body, CreatedAt: now, DataAt: e.dataAt, DataLen: e.dataLen,
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

// checkSignature verifies what signature there is, if the subscription has a
// secret to do it with.
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
			return fmt.Errorf("%w: the subscription requires a signature and has no secret to check one with", event.ErrUnauthorized)
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
