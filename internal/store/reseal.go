package store

import (
	"context"
	"errors"

	"github.com/hookferry/hookferry/internal/event"
)

// Resealed counts what Reseal did with the subscriptions.
type Resealed struct {
	Sealed  int            // sealed again, under the current key
	Current int            // already sealed under it, or nothing to seal, or there is no key
	Changed int            // changed by others at each try; the next call tries them again
	Locked  map[string]int // can't be decrypted, by reason
}

const (
	resealPage = 100
	// resealTries limits the tries for a subscription that others change meanwhile.
	resealTries = 5
)

// Reseal seals each subscription again that is not sealed under the first key, in a transaction
// of its own. Services may run and change subscriptions meanwhile, because Reseal never
// overwrites a change. It may be interrupted and called again.
func (s *Sealed) Reseal(ctx context.Context) (Resealed, error) {
	done := Resealed{Locked: map[string]int{}}
	for before := (event.ID{}); ; {
		page, err := s.driver.ListSubscriptions(ctx, event.SubscriptionQuery{After: event.SubscriptionPosition{ID: before}, Limit: resealPage})
		if err != nil || len(page) == 0 {
			return done, err
		}
		for _, kept := range page {
			if err := s.resealOne(ctx, kept, &done); err != nil {
				return done, err
			}
			before = kept.ID
		}
	}
}

// resealOne seals one subscription again. kept is the subscription as the driver returns it.
func (s *Sealed) resealOne(ctx context.Context, kept event.Subscription, done *Resealed) error {
	for range resealTries {
		opened := s.open(kept)
		switch {
		case opened.Deleted():
			return nil
		case opened.Sealed != "":
			done.Locked[opened.Sealed]++
			return nil
		case s.current(kept):
			done.Current++
			return nil
		}
		sealed, err := s.seal(opened)
		if err != nil {
			return err
		}
		swapped, err := s.driver.SwapSecrets(ctx, kept, sealed)
		if err != nil {
			return err
		}
		if swapped {
			done.Sealed++
			return nil
		}
		// It has changed since it was read, or the replica that it was read from lags behind.
		kept, err = s.driver.Subscription(ctx, kept.ID)
		if errors.Is(err, event.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	done.Changed++
	return nil
}

// current reports whether a subscription need not be sealed again.
func (s *Sealed) current(kept event.Subscription) bool {
	if !s.ring.Seals() {
		return true
	}
	for _, secret := range kept.Secrets {
		if !s.ring.Current(string(secret)) {
			return false
		}
	}
	for _, value := range kept.Headers {
		if !s.ring.Current(value) {
			return false
		}
	}
	return true
}
