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
	// keyFresh is for how long a key that was found is not looked up again; so long a
	// revoked key may go on working. One that ends by itself stops at its time: that is
	// judged at each request.
	keyFresh = 2 * time.Second
	// usesNoted is how often it is noted when keys were last used.
	usesNoted = 5 * time.Minute
)

// keyring finds API keys.
type keyring struct {
	store store.Keys
	log   *slog.Logger
	first *[32]byte // hash of the key from the settings, if there is one
	open  bool      // no key is needed

	mu    sync.Mutex
	known map[[32]byte]found
	used  map[event.ID]time.Time // since it was noted last
}

// found is a key, and until when that is believed.
type found struct {
	key   event.APIKey
	until time.Time
}

// newKeyring refuses to let a service start that nobody could ever have used. Where all
// keys have ended by themselves it starts, and says so: what it has taken in is to be
// delivered.
func newKeyring(ctx context.Context, cfg config.Config, keys store.Keys, log *slog.Logger) (*keyring, error) {
	k := &keyring{store: keys, log: log, open: cfg.Dev, known: map[[32]byte]found{}, used: map[event.ID]time.Time{}}
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
		return nil, errors.New("there is no API key yet, so nobody could call the API: make one with `hookferry keys create NAME`, set HOOKFERRY_API_KEY, or run `hookferry serve --dev` on your own machine, where none is needed")
	}
	log.WarnContext(ctx, "all API keys have ended, so nobody can call the API; what was taken in is delivered: make a new one with `hookferry keys create NAME`")
	return k, nil
}

// checker is nil where no key is needed.
func (k *keyring) checker() api.KeyChecker {
	if k.open {
		return nil
	}
	return k
}

// FindKey returns the key with this text, valid or not, or ErrNotFound. The key of the
// settings may do everything. Another error means that it can't be known at present.
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
	// Looked up by its hash: how long that takes says nothing about the key.
	key, err := k.store.KeyByHash(ctx, hash)
	if errors.Is(err, event.ErrNotFound) {
		return event.APIKey{}, err
	}
	if err != nil {
		return event.APIKey{}, fmt.Errorf("check the API key: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[hash] = found{key, now.Add(keyFresh)}
	if key.RevokedAt.IsZero() && !key.Expired(now) {
		k.used[key.ID] = now
	}
	return key, nil
}

// run notes from time to time, and at the end, when keys were last used.
func (k *keyring) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyFresh)
			defer cancel()
			k.note(last)
			return nil
		case <-time.After(usesNoted):
			k.note(ctx)
		}
	}
}

// note writes what has gathered. What can't be written now is written later, or never:
// it is there for people who wonder whether a key may go.
func (k *keyring) note(ctx context.Context) {
	k.mu.Lock()
	used := maps.Clone(k.used)
	k.mu.Unlock()
	for id, at := range used {
		if err := k.store.KeyUsed(ctx, id, at); err != nil {
			k.log.WarnContext(ctx, "could not note when API keys were last used; trying again", "error", err)
			return
		}
		k.mu.Lock()
		if k.used[id].Equal(at) {
			delete(k.used, id)
		}
		k.mu.Unlock()
	}
}
