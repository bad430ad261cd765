package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"hookferry/internal/config"
	"hookferry/internal/event"
	"hookferry/internal/store"
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
	CreatedAt time.Time
	RevokedAt time.Time // zero while it is valid
}

// CreateKey makes an API key in the database that the settings name, and returns
// its text, which is kept nowhere. The service may be running meanwhile.
func CreateKey(ctx context.Context, cfg config.Config, name string) (text string, k Key, err error) {
	if name == "" || len(name) > maxKeyName {
		return "", Key{}, fmt.Errorf("a key's name has 1 to %d characters and says what the key is for; this one has %d", maxKeyName, len(name))
	}
	text, kept := newKey(name, time.Now())
	err = withStore(ctx, cfg, func(s store.Store) error { return s.CreateKey(ctx, kept) })
	return text, shown(kept), err
}

func newKey(name string, now time.Time) (text string, kept event.APIKey) {
	var b [32]byte
	rand.Read(b[:])
	text = "hf_" + base64.RawURLEncoding.EncodeToString(b[:])
	return text, event.APIKey{
		ID: event.NewID(now), Name: name, Prefix: text[:keyPrefixLength], Hash: sha256.Sum256([]byte(text)), CreatedAt: now,
	}
}

// ListKeys returns all keys, revoked ones too, the oldest first.
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
		return fmt.Errorf("there is no valid key %s", id)
	}
	return err
}

func shown(k event.APIKey) Key {
	return Key{ID: k.ID.String(), Name: k.Name, Prefix: k.Prefix, CreatedAt: k.CreatedAt, RevokedAt: k.RevokedAt}
}

// withStore opens the database beside a service that may be running on it.
func withStore(ctx context.Context, cfg config.Config, use func(store.Store) error) error {
	s, err := openBeside(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(use(s), s.Close())
}
