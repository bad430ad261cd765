package store

import (
	"context"
	"errors"

	"github.com/hookferry/hookferry/internal/event"
)

// Resealed counts the subscriptions that a pass came by.
type Resealed struct {
	Sealed  int            // sealed anew, under the key that seals
	Current int            // were so already, or have nothing to seal, or there is no key to seal with
	Changed int            // others kept changing them; the next pass finds them
	Locked  map[string]int // could not be opened, by the reason
}

const (
	resealPage = 100
	// resealTries is how often one that changes meanwhile is read again.
	resealTries = 5
)

// Reseal goes through all subscriptions and seals those anew that are not sealed under
// the first key, one small transaction each. The service may be running meanwhile, and
// change them: a change is never overwritten. It may be broken off and repeated.
func (s *Sealed) Reseal(ctx context.Context) (Resealed, error) {
	done := Resealed{Locked: map[string]int{}}
	for before := (event.ID{}); ; {
		page, err := s.driver.ListSubscriptions(ctx, before, resealPage)
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

// resealOne is given a subscription as the driver keeps it.
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
		// It has changed since it was read, or it was read from a replica that lags.
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

// current reports whether there is nothing to seal anew.
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
