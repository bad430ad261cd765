package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/seal"
)

// Sealed encrypts the secrets and header values of subscriptions before a driver writes them, and
// decrypts them after a driver has read them. It is the only place where that happens. It is
// between a driver and the cache, so the cache contains decrypted values.
//
// Each value is sealed for its subscription and its field, so it can't be decrypted in another row.
// Values that are not sealed in the database are read as they are. If a value can't be decrypted,
// the subscription is returned without secrets and headers, and its Sealed says why.
//
// Sealed embeds the roles without secrets. It implements every method of Subscriptions itself. So
// a new method or role does not compile before Sealed handles it.
type Sealed struct {
	Tenants
	EventTypes
	Intake
	Queue
	Operations
	History
	Keys
	Upkeep
	driver Store
	ring   seal.Ring
}

var _ Store = (*Sealed)(nil)

// WithSeal returns a Sealed in front of a driver. A ring without keys seals nothing.
func WithSeal(s Store, ring seal.Ring) *Sealed {
	return &Sealed{Tenants: s, EventTypes: s, Intake: s, Queue: s, Operations: s, History: s, Keys: s, Upkeep: s, driver: s, ring: ring}
}

// CreateSubscription is as in Subscriptions.
func (s *Sealed) CreateSubscription(ctx context.Context, sub event.Subscription) error {
	sealed, err := s.seal(sub)
	if err != nil {
		return err
	}
	return s.driver.CreateSubscription(ctx, sealed)
}

// Subscription is as in Subscriptions.
func (s *Sealed) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	sub, err := s.driver.Subscription(ctx, id)
	return s.open(sub), err
}

// ListSubscriptions is as in Subscriptions.
func (s *Sealed) ListSubscriptions(ctx context.Context, q event.SubscriptionQuery) ([]event.Subscription, error) {
	list, err := s.driver.ListSubscriptions(ctx, q)
	for i := range list {
		list[i] = s.open(list[i])
	}
	return list, err
}

// SubscriptionByUID is as in Subscriptions.
func (s *Sealed) SubscriptionByUID(ctx context.Context, tenantNo int64, uid string) (event.Subscription, error) {
	sub, err := s.driver.SubscriptionByUID(ctx, tenantNo, uid)
	return s.open(sub), err
}

// TenantChanges is as in Tenants. The subscriptions have neither secrets nor headers, because
// matching needs none.
func (s *Sealed) TenantChanges(ctx context.Context, no, after int64, limit int) (event.TenantChanges, error) {
	changes, err := s.driver.TenantChanges(ctx, no, after, limit)
	for i := range changes.Subscriptions {
		changes.Subscriptions[i].Secrets, changes.Subscriptions[i].Headers = nil, nil
	}
	return changes, err
}

// ReplaceSubscription is as in Subscriptions.
func (s *Sealed) ReplaceSubscription(ctx context.Context, sub event.Subscription) (event.Subscription, error) {
	sealed, err := s.seal(sub)
	if err != nil {
		return event.Subscription{}, err
	}
	after, err := s.driver.ReplaceSubscription(ctx, sealed)
	return s.open(after), err
}

// SwapSecrets is as in Subscriptions.
func (s *Sealed) SwapSecrets(ctx context.Context, from, to event.Subscription) (bool, error) {
	kept, err := s.driver.Subscription(ctx, from.ID)
	if errors.Is(err, event.ErrNotFound) {
		return false, nil
	}
	now := s.open(kept)
	if err != nil || now.Sealed != "" || !slices.Equal(now.Secrets, from.Secrets) || !maps.Equal(now.Headers, from.Headers) {
		return false, err
	}
	sealed, err := s.seal(to)
	if err != nil {
		return false, err
	}
	return s.driver.SwapSecrets(ctx, kept, sealed)
}

// PauseSubscription is as in Subscriptions.
func (s *Sealed) PauseSubscription(ctx context.Context, id event.ID, p event.Pause) (event.Subscription, error) {
	sub, err := s.driver.PauseSubscription(ctx, id, p)
	return s.open(sub), err
}

// ResumeSubscription is as in Subscriptions.
func (s *Sealed) ResumeSubscription(ctx context.Context, id event.ID, at time.Time) (event.Subscription, error) {
	sub, err := s.driver.ResumeSubscription(ctx, id, at)
	return s.open(sub), err
}

// DeleteSubscription is as in Subscriptions. It erases the sealed values without decrypting them.
func (s *Sealed) DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error {
	return s.driver.DeleteSubscription(ctx, id, at, revision)
}

// Close is as in Store.
func (s *Sealed) Close() error { return s.driver.Close() }

// forSecret and forHeader return the contexts for which values are sealed. A value can't be
// decrypted in another context.
func forSecret(id event.ID) string              { return id.String() + "/secret" }
func forHeader(id event.ID, name string) string { return id.String() + "/header/" + name }

func (s *Sealed) seal(sub event.Subscription) (event.Subscription, error) {
	if !s.ring.Seals() {
		return sub, checkUnsealed(sub)
	}
	secrets, headers := slices.Clone(sub.Secrets), maps.Clone(sub.Headers)
	for i, secret := range secrets {
		secrets[i] = event.Secret(s.ring.Seal(string(secret), forSecret(sub.ID)))
	}
	for name, value := range headers {
		headers[name] = s.ring.Seal(value, forHeader(sub.ID, name))
	}
	sub.Secrets, sub.Headers = secrets, headers
	return sub, nil
}

// checkUnsealed returns an error for a value that would look sealed when it is read back.
func checkUnsealed(sub event.Subscription) error {
	const message = "begins with " + seal.Prefix + ", which is reserved for values that Hookferry has sealed; choose another value"
	for _, secret := range sub.Secrets {
		if seal.Sealed(string(secret)) {
			return event.Invalid("secret", message)
		}
	}
	for name, value := range sub.Headers {
		if seal.Sealed(value) {
			return event.Invalid("headers."+name, message)
		}
	}
	return nil
}

func (s *Sealed) open(sub event.Subscription) event.Subscription {
	secrets, headers := slices.Clone(sub.Secrets), maps.Clone(sub.Headers)
	var err error
	openOne := func(text, context string) string {
		if err != nil || !seal.Sealed(text) {
			return text
		}
		var plain string
		plain, err = s.ring.Open(text, context)
		return plain
	}
	for i, secret := range secrets {
		secrets[i] = event.Secret(openOne(string(secret), forSecret(sub.ID)))
	}
	for name, value := range headers {
		headers[name] = openOne(value, forHeader(sub.ID, name))
	}
	if err != nil {
		sub.Secrets, sub.Headers, sub.Sealed = nil, nil, whySealed(err)
		return sub
	}
	sub.Secrets, sub.Headers = secrets, headers
	return sub
}

// WhyLocked returns why the secrets of a subscription, as a driver returns it, can't be decrypted
// with a ring. It returns "" if they can.
func WhyLocked(kept event.Subscription, ring seal.Ring) string {
	return (&Sealed{ring: ring}).open(kept).Sealed
}

func whySealed(err error) string {
	if missing, ok := errors.AsType[seal.MissingKey](err); ok {
		return fmt.Sprintf("its secrets are encrypted with the master key %s, which is missing in HOOKFERRY_MASTER_KEY: add that key and restart, or replace the subscription with a new secret and all its headers", missing.ID)
	}
	return fmt.Sprintf("its secrets can't be decrypted (%v): restore them from a backup, or replace the subscription with a new secret and all its headers", err)
}
