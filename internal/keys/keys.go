// Package keys makes, lists and revokes API keys in a database. The text of a key is
// returned once, to be shown, and kept nowhere: the database has its hash. What a key may
// do, and whether it is still valid, is checked where requests come in (package api).
//
// Start with New.
package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
)

const (
	maxKeyName      = 100 // bytes
	keyPrefixLength = 10  // so much of a key is kept, to tell it from others
)

// Store is the database that keeps them; package store says what each method promises.
type Store interface {
	CreateKey(ctx context.Context, k event.APIKey) error
	ListKeys(ctx context.Context) ([]event.APIKey, error)
	RevokeKey(ctx context.Context, id event.ID, at time.Time) error
}

// Wanted is what to make a key with.
type Wanted struct {
	Name    string
	Scope   string // admin, publish or read
	Expires string // how long it is valid, or until when; "": for good
}

// New makes an API key: its text, which is kept nowhere, and what is to be kept of it.
func New(wanted Wanted, now time.Time) (text string, kept event.APIKey, err error) {
	if wanted.Name == "" || len(wanted.Name) > maxKeyName {
		return "", kept, fmt.Errorf("a key's name has 1 to %d characters and says what the key is for; this one has %d", maxKeyName, len(wanted.Name))
	}
	kept = event.APIKey{ID: event.NewID(now), Name: wanted.Name, CreatedAt: now}
	if kept.Scope, err = event.ParseScope(wanted.Scope); err != nil {
		return "", kept, err
	}
	if wanted.Expires != "" {
		if kept.ExpiresAt, err = config.ParseEnd(wanted.Expires, now); err != nil {
			return "", kept, fmt.Errorf("a key that expires %q %w", wanted.Expires, err)
		}
	}
	var b [32]byte
	rand.Read(b[:])
	text = "hf_" + base64.RawURLEncoding.EncodeToString(b[:])
	kept.Prefix, kept.Hash = text[:keyPrefixLength], sha256.Sum256([]byte(text))
	return text, kept, nil
}

// Revoke makes a key invalid for good. A running service follows within seconds.
func Revoke(ctx context.Context, s Store, id string) error {
	parsed, err := event.ParseID(id)
	if err != nil {
		return fmt.Errorf("%q is not a key's id, which looks like 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071", id)
	}
	err = s.RevokeKey(ctx, parsed, time.Now())
	if errors.Is(err, event.ErrNotFound) {
		return fmt.Errorf("there is no key %s, or it is revoked", id)
	}
	return err
}
