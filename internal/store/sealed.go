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

// Sealed seals what must not be read in the database, the secrets and the values of the
// headers of subscriptions, on their way to a driver, and opens them on their way back:
// the one place where that happens. It stands between a driver and the cache, which so
// holds opened ones.
//
// Each is sealed for its subscription and its place in it: what is copied to another row
// does not open there. What lies in the database unsealed is read as it is. What can't be
// opened makes a subscription without secrets and headers, whose Sealed says why.
//
// It embeds the roles that hold no secrets, and passes them on. Every method of
// Subscriptions is written out here, so that a new one does not compile before it is
// decided what sealing means for it; so does a new role.
type Sealed struct {
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

// WithSeal puts the sealing before a store. A ring without keys seals nothing.
func WithSeal(s Store, ring seal.Ring) *Sealed {
	return &Sealed{Intake: s, Queue: s, Operations: s, History: s, Keys: s, Upkeep: s, driver: s, ring: ring}
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
func (s *Sealed) ListSubscriptions(ctx context.Context, before event.ID, limit int) ([]event.Subscription, error) {
	list, err := s.driver.ListSubscriptions(ctx, before, limit)
	for i := range list {
		list[i] = s.open(list[i])
	}
	return list, err
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

// DeleteSubscription is as in Subscriptions: it wipes what is sealed, unread.
func (s *Sealed) DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error {
	return s.driver.DeleteSubscription(ctx, id, at, revision)
}

// Close is as in Store.
func (s *Sealed) Close() error { return s.driver.Close() }

// forSecret and forHeader are the contexts that things are sealed for.
func forSecret(id event.ID) string              { return id.String() + "/secret" }
func forHeader(id event.ID, name string) string { return id.String() + "/header/" + name }

func (s *Sealed) seal(sub event.Subscription) (event.Subscription, error) {
	if !s.ring.Seals() {
		return sub, looksSealed(sub)
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

// looksSealed refuses what would be taken for a sealed text when it is read back.
func looksSealed(sub event.Subscription) error {
	const message = "begins with " + seal.Prefix + ", which marks what Hookferry has sealed; choose another"
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

// WhyLocked says why a ring can't open what is sealed in a subscription, as a driver keeps it; it is
// "" if the ring can.
func WhyLocked(kept event.Subscription, ring seal.Ring) string {
	return (&Sealed{ring: ring}).open(kept).Sealed
}

func whySealed(err error) string {
	if missing, ok := errors.AsType[seal.MissingKey](err); ok {
		return fmt.Sprintf("its secrets are sealed with the master key %s, which HOOKFERRY_MASTER_KEY does not hold: add that key and restart, or replace the subscription with a new secret and all its headers", missing.ID)
	}
	return fmt.Sprintf("its secrets can't be opened (%v): restore them from a backup, or replace the subscription with a new secret and all its headers", err)
}
