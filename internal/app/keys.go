package app

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
	"github.com/hookferry/hookferry/internal/store"
)

const (
	maxKeyName      = 100 // bytes
	keyPrefixLength = 10  // so much of a key is kept, to tell it from others
)

// Key is an API key as it may be shown: not the key itself.
type Key struct {
	ID        string
	Name      string
	Prefix    string // its first characters
	Scope     string
	CreatedAt time.Time
	ExpiresAt time.Time // zero where it does not end by itself
	RevokedAt time.Time // zero while it is valid
	UsedAt    time.Time // to some minutes; zero: never
}

// NewKey is what to make a key with.
type NewKey struct {
	Name    string
	Scope   string // admin, publish or read
	Expires string // how long it is valid, or until when; "": for good
}

// CreateKey makes an API key in the database that the settings name, and returns
// its text, which is kept nowhere. The service may be running meanwhile.
func CreateKey(ctx context.Context, cfg config.Config, wanted NewKey) (text string, k Key, err error) {
	text, kept, err := newKey(wanted, time.Now())
	if err != nil {
		return "", Key{}, err
	}
	err = withStore(ctx, cfg, func(s store.Store) error { return s.CreateKey(ctx, kept) })
	return text, shown(kept), err
}

func newKey(wanted NewKey, now time.Time) (text string, kept event.APIKey, err error) {
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

// ListKeys returns all keys, those that are not valid any more too, the oldest first.
func ListKeys(ctx context.Context, cfg config.Config) ([]Key, error) {
	var list []Key
	err := withStore(ctx, cfg, func(s store.Store) error {
		kept, err := s.ListKeys(ctx)
		for _, k := range kept {
			list = append(list, shown(k))
		}
		return err
	})
	return list, err
}

// RevokeKey makes a key invalid for good. A running service follows within seconds.
func RevokeKey(ctx context.Context, cfg config.Config, id string) error {
	parsed, err := event.ParseID(id)
	if err != nil {
		return fmt.Errorf("%q is not a key's id, which looks like 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071", id)
	}
	err = withStore(ctx, cfg, func(s store.Store) error { return s.RevokeKey(ctx, parsed, time.Now()) })
	if errors.Is(err, event.ErrNotFound) {
		return fmt.Errorf("there is no key %s, or it is revoked", id)
	}
	return err
}

func shown(k event.APIKey) Key {
	return Key{
		ID: k.ID.String(), Name: k.Name, Prefix: k.Prefix, Scope: string(k.Scope),
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt, UsedAt: k.UsedAt,
	}
}

// withStore opens the database beside a service that may be running on it.
func withStore(ctx context.Context, cfg config.Config, use func(store.Store) error) error {
	s, err := openBeside(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(use(s), s.Close())
}
