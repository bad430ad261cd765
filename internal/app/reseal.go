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

// resealEvery is how often a node looks for secrets that are not encrypted with its first master
// key.
const resealEvery = time.Hour

// resealer runs in the background and encrypts the secrets that are not encrypted with the first
// key.
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
		r.log.WarnContext(ctx, "can't encrypt all secrets with the first master key; will try again", "error", err, "in", resealEvery.String())
	}
	if done.Sealed > 0 {
		r.log.InfoContext(ctx, "encrypted secrets with the first master key", "subscriptions", done.Sealed)
	}
	for reason, n := range done.Locked {
		r.log.ErrorContext(ctx, "can't decrypt the secrets of some subscriptions; their deliveries are held back", "subscriptions", n, "error", reason)
	}
}

// RotateMaster encrypts the secrets of all subscriptions with the first master key. The service may
// be running, and an interrupted call can be repeated. It returns a report, and fails if any
// secrets are not encrypted with that key.
func RotateMaster(ctx context.Context, cfg config.Config) (said []string, err error) {
	ids := cfg.MasterKeys.IDs()
	if len(ids) == 0 {
		return nil, errors.New("HOOKFERRY_MASTER_KEY is not set, so there is no key to encrypt with: set it to the output of `openssl rand -base64 32`, or for a rotation to the new key, a comma, and the old key")
	}
	var done store.Resealed
	err = withStore(ctx, cfg, func(s store.Store) (err error) {
		done, err = store.WithSeal(s, cfg.MasterKeys).Reseal(ctx)
		return err
	})
	said = append(said, fmt.Sprintf("encrypted the secrets of %d subscription(s) with the master key %s; %d needed no change", done.Sealed, ids[0], done.Current))
	if err != nil {
		return said, fmt.Errorf("interrupted; run it again: %w", err)
	}
	left := done.Changed
	for reason, n := range done.Locked {
		left += n
		said = append(said, fmt.Sprintf("can't decrypt the secrets of %d subscription(s): %s", n, reason))
	}
	slices.Sort(said[1:])
	if done.Changed > 0 {
		said = append(said, fmt.Sprintf("%d subscription(s) kept changing; run this again", done.Changed))
	}
	if left > 0 {
		return said, fmt.Errorf("the secrets of %d subscription(s) are not encrypted with the first key: keep the other keys", left)
	}
	return said, nil
}
