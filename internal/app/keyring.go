package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"hookferry/internal/api"
	"hookferry/internal/config"
	"hookferry/internal/event"
	"hookferry/internal/store"
)

// keyFresh is for how long a key that was found valid is not looked up again; so
// long a revoked key may go on working.
const keyFresh = 2 * time.Second

// keyring says which API keys are valid.
type keyring struct {
	store store.Keys
	first *[32]byte // hash of the key from the settings, if there is one
	open  bool      // no key is needed

	mu    sync.Mutex
	known map[[32]byte]time.Time // valid ones, and until when that is believed
}

// newKeyring refuses to let a service start that nobody could use.
func newKeyring(ctx context.Context, cfg config.Config, keys store.Keys) (*keyring, error) {
	k := &keyring{store: keys, open: cfg.Dev, known: map[[32]byte]time.Time{}}
	if cfg.APIKey != "" {
		hash := sha256.Sum256([]byte(cfg.APIKey))
		k.first = &hash
	}
	if k.open || k.first != nil {
		return k, nil
	}
	list, err := keys.ListKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, key := range list {
		if key.RevokedAt.IsZero() {
			return k, nil
		}
	}
	return nil, errors.New("there is no API key yet, so nobody could call the API: make one with `hookferry keys create NAME`, set HOOKFERRY_API_KEY, or run `hookferry serve --dev` on your own machine, where none is needed")
}

// checker is nil where no key is needed.
func (k *keyring) checker() api.KeyChecker {
	if k.open {
		return nil
	}
	return k
}

// KeyValid reports whether the text is a valid key. An error means that it can't
// be known at present.
func (k *keyring) KeyValid(ctx context.Context, text string) (bool, error) {
	hash := sha256.Sum256([]byte(text))
	if k.first != nil && subtle.ConstantTimeCompare(hash[:], k.first[:]) == 1 {
		return true, nil
	}
	now := time.Now()
	k.mu.Lock()
	fresh := now.Before(k.known[hash])
	k.mu.Unlock()
	if fresh {
		return true, nil
	}
	// Looked up by its hash: how long that takes says nothing about the key.
	found, err := k.store.KeyByHash(ctx, hash)
	if errors.Is(err, event.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("check the API key: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !found.RevokedAt.IsZero() {
		delete(k.known, hash)
		return false, nil
	}
	k.known[hash] = now.Add(keyFresh)
	return true, nil
}
