// Package keys creates, lists and revokes API keys in a database. The text of a key is returned
// once, to be shown. The database contains only its hash. Package api checks whether a key is
// valid and what it allows.
//
// Start with New.
package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
)

// Store stores API keys. Package store documents each method.
type Store interface {
	CreateKey(ctx context.Context, k event.APIKey) error
	ListKeys(ctx context.Context) ([]event.APIKey, error)
	RevokeKey(ctx context.Context, id event.ID, at time.Time) error
}

// Wanted describes the key to create.
type Wanted struct {
	Name    string
	Scope   string // admin, publish or read
	Tenant  string // the only tenant that it may see and use; "" for all
	Expires string // how long it is valid, or until when; "" for no expiry
}

// New creates an API key. It returns the text, which is not stored, and the record to store.
func New(wanted Wanted, now time.Time) (text string, kept event.APIKey, err error) {
	if wanted.Name == "" || len(wanted.Name) > event.MaxKeyName {
		return "", kept, fmt.Errorf("the name of a key must have 1 to %d characters and say what the key is for; this one has %d", event.MaxKeyName, len(wanted.Name))
	}
	if problem := event.CheckName(wanted.Tenant); problem != "" && wanted.Tenant != "" {
		return "", kept, fmt.Errorf("the id of the tenant %s", problem)
	}
	kept = event.APIKey{ID: event.NewID(now), Name: wanted.Name, CreatedAt: now, Tenant: wanted.Tenant}
	if kept.Scope, err = event.ParseScope(wanted.Scope); err != nil {
		return "", kept, err
	}
	if wanted.Expires != "" {
		if kept.ExpiresAt, err = config.ParseExpiry(wanted.Expires, now); err != nil {
			return "", kept, fmt.Errorf("--expires is %q, which %w", wanted.Expires, err)
		}
	}
	return kept.Generate(), kept, nil
}

// Revoke revokes a key permanently. A running service applies it within seconds.
func Revoke(ctx context.Context, s Store, id string) error {
	parsed, err := event.ParseID(id)
	if err != nil {
		return fmt.Errorf("%q is not the id of a key; an id looks like 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071", id)
	}
	err = s.RevokeKey(ctx, parsed, time.Now())
	if errors.Is(err, event.ErrNotFound) {
		return fmt.Errorf("there is no key %s, or it is already revoked", id)
	}
	return err
}
