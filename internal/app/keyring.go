package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/api"
	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

const (
	// keyFresh is how long a key is used without another look in the database, and so how long a
	// revoked key may keep working. An expired key stops at its time, because that is checked with
	// every request.
	keyFresh = 2 * time.Second
	// storeUsesEvery is how often the times of last use are stored.
	storeUsesEvery = 5 * time.Minute
)

// keyring looks up API keys.
type keyring struct {
	store store.Keys
	log   *slog.Logger
	first *[32]byte // hash of the key in the settings, or nil
	open  bool      // no key is needed

	mu    sync.Mutex
	known map[[32]byte]knownKey
	used  map[event.ID]time.Time // last uses that are not stored yet
}

// knownKey is a key, and how long it may be used without another look in the database.
type knownKey struct {
	key   event.APIKey
	until time.Time
}

// newKeyring fails if no key was ever created, because the API would refuse every request. If all
// keys have expired, it only warns: accepted events must still be delivered.
func newKeyring(ctx context.Context, cfg config.Config, keys store.Keys, log *slog.Logger) (*keyring, error) {
	k := &keyring{store: keys, log: log, open: cfg.Dev, known: map[[32]byte]knownKey{}, used: map[event.ID]time.Time{}}
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
	ended := false
	for _, key := range list {
		switch {
		case !key.RevokedAt.IsZero():
		case key.Expired(time.Now()):
			ended = true
		default:
			return k, nil
		}
	}
	if !ended {
		return nil, errors.New("there is no API key, so the API would refuse every request: create one with `hookferry keys create NAME`, set HOOKFERRY_API_KEY, or run `hookferry serve --dev` on your own machine, which needs no key")
	}
	log.WarnContext(ctx, "all API keys have expired, so the API refuses every request; accepted events are still delivered: create a new key with `hookferry keys create NAME`")
	return k, nil
}

// checker returns nil if no key is needed.
func (k *keyring) checker() api.KeyChecker {
	if k.open {
		return nil
	}
	return k
}

// FindKey returns the key with this text, valid or not, or ErrNotFound. The key in the settings has
// the scope admin. Any other error means that the lookup failed.
func (k *keyring) FindKey(ctx context.Context, text string) (event.APIKey, error) {
	hash := sha256.Sum256([]byte(text))
	if k.first != nil && subtle.ConstantTimeCompare(hash[:], k.first[:]) == 1 {
		return event.APIKey{Name: "HOOKFERRY_API_KEY", Scope: event.ScopeAdmin}, nil
	}
	now := time.Now()
	k.mu.Lock()
	f, known := k.known[hash]
	k.mu.Unlock()
	if known && now.Before(f.until) {
		return f.key, nil
	}
	// A lookup by hash: its duration reveals nothing about the key.
	key, err := k.store.KeyByHash(ctx, hash)
	if errors.Is(err, event.ErrNotFound) {
		return event.APIKey{}, err
	}
	if err != nil {
		return event.APIKey{}, fmt.Errorf("check the API key: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[hash] = knownKey{key, now.Add(keyFresh)}
	if key.RevokedAt.IsZero() && !key.Expired(now) {
		k.used[key.ID] = now
	}
	return key, nil
}

// run stores the times of last use, now and then and when ctx ends.
func (k *keyring) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyFresh)
			defer cancel()
			k.storeUses(last)
			return nil
		case <-time.After(storeUsesEvery):
			k.storeUses(ctx)
		}
	}
}

// storeUses stores the times of last use. If that fails, it tries again later: the times only help
// people decide whether a key is still needed.
func (k *keyring) storeUses(ctx context.Context) {
	k.mu.Lock()
	used := maps.Clone(k.used)
	k.mu.Unlock()
	for id, at := range used {
		if err := k.store.KeyUsed(ctx, id, at); err != nil {
			k.log.WarnContext(ctx, "can't store when API keys were last used; will try again", "error", err)
			return
		}
		k.mu.Lock()
		if k.used[id].Equal(at) {
			delete(k.used, id)
		}
		k.mu.Unlock()
	}
}
