package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/store"
)

// resealEvery is how often a node looks for secrets that are not sealed under its first
// master key.
const resealEvery = time.Hour

// resealer seals in the background what is not sealed, or not under the first key.
type resealer struct {
	store *store.Sealed
	log   *slog.Logger
}

func (r *resealer) run(ctx context.Context) error {
	for {
		r.pass(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(resealEvery):
		}
	}
}

func (r *resealer) pass(ctx context.Context) {
	done, err := r.store.Reseal(ctx)
	if err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "could not seal all secrets anew; trying again", "error", err, "in", resealEvery.String())
	}
	if done.Sealed > 0 {
		r.log.InfoContext(ctx, "sealed secrets anew", "subscriptions", done.Sealed)
	}
	for reason, n := range done.Locked {
		r.log.ErrorContext(ctx, "subscriptions' secrets can't be opened; their deliveries are held back", "subscriptions", n, "error", reason)
	}
}

// RotateMaster seals the secrets of all subscriptions under the first master key. The
// service may be running meanwhile; what this is broken off at can be repeated. It says
// what it did, and fails if something is left that is not sealed under that key.
func RotateMaster(ctx context.Context, cfg config.Config) (said []string, err error) {
	ids := cfg.MasterKeys.IDs()
	if len(ids) == 0 {
		return nil, errors.New("HOOKFERRY_MASTER_KEY is not set, so there is nothing to seal with: set it to what `openssl rand -base64 32` prints, and for a rotation to the new key, a comma, and the old one")
	}
	var done store.Resealed
	err = withStore(ctx, cfg, func(s store.Store) (err error) {
		done, err = store.WithSeal(s, cfg.MasterKeys).Reseal(ctx)
		return err
	})
	said = append(said, fmt.Sprintf("%d subscription(s) sealed anew under the master key %s, %d were so already or have no secrets", done.Sealed, ids[0], done.Current))
	if err != nil {
		return said, fmt.Errorf("broken off, and may be repeated: %w", err)
	}
	left := done.Changed
	for reason, n := range done.Locked {
		left += n
		said = append(said, fmt.Sprintf("%d can't be read: %s", n, reason))
	}
	slices.Sort(said[1:])
	if done.Changed > 0 {
		said = append(said, fmt.Sprintf("%d kept changing meanwhile: repeat this", done.Changed))
	}
	if left > 0 {
		return said, fmt.Errorf("%d subscription(s) are not sealed under the first key: keep the other keys", left)
	}
	return said, nil
}
