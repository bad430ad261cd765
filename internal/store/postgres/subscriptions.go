package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

const (
	subscriptionColumns = `id, target_url, description, event_types, secrets, require_signature, headers, is_active,
	disabled_reason, timeout_us, retry_schedule_us, max_in_flight, rate_per_second, created_at, updated_at, deleted_at`
	subscriptionSQL      = `SELECT ` + subscriptionColumns + ` FROM subscriptions WHERE id = $1`
	listSubscriptionsSQL = `SELECT ` + subscriptionColumns + ` FROM subscriptions
		WHERE deleted_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $2`
)

type subscriptionRow = store.SubscriptionRow[[]byte]

// CreateSubscription keeps a new subscription.
func (s *Store) CreateSubscription(ctx context.Context, sub event.Subscription) error {
	r := store.EncodeSubscription[[]byte](sub)
	return s.inTx(ctx, quick, "create a subscription", func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO subscriptions (`+subscriptionColumns+`, inactive_since)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
			uuid(r.ID), clean(r.TargetURL), clean(r.Description), patterns(r.EventTypes), blobs(r.PlainSecrets), r.RequireSignature,
			store.JSON(r.PlainHeaders), r.Active, clean(r.DisabledReason), r.TimeoutUS, schedule(r.ScheduleUS),
			r.MaxInFlight, r.RatePerSecond, r.CreatedAt, r.UpdatedAt, maybe(r.DeletedAt), r.CreatedAt)
		if err != nil {
			return err
		}
		return announceChange(ctx, tx, sub.ID) // a node may remember that there was none
	})
}

// Subscription reads one, a deleted one too, from the primary: ingest goes by it.
func (s *Store) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	sub, err := readSubscription(s.pool.QueryRow(ctx, subscriptionSQL, uuid(id)), id)
	return sub, fail("read a subscription", err)
}

// ListSubscriptions reads a page of those that exist, newest first.
func (s *Store) ListSubscriptions(ctx context.Context, before event.ID, limit int) ([]event.Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	var list []event.Subscription
	err := s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, listSubscriptionsSQL, cursor(before), limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (event.Subscription, error) { return scanSubscription(row) })
		return err
	})
	if err != nil {
		return nil, fail("list subscriptions", err)
	}
	return list, nil
}

// ReplaceSubscription writes what a caller may set.
func (s *Store) ReplaceSubscription(ctx context.Context, sub event.Subscription) (event.Subscription, error) {
	var after event.Subscription
	var secrets any
	r := store.EncodeSubscription[[]byte](sub)
	if len(r.PlainSecrets) > 0 {
		secrets = blobs(r.PlainSecrets)
	}
	err := s.inTx(ctx, quick, "replace a subscription", func(ctx context.Context, tx pgx.Tx) (err error) {
		after, err = readSubscription(tx.QueryRow(ctx,
			`UPDATE subscriptions SET target_url = $1, description = $2, event_types = $3, secrets = coalesce($4, secrets),
			require_signature = $5, headers = $6, inactive_since = CASE WHEN is_active THEN $12 ELSE inactive_since END,
			is_active = $7, disabled_reason = $8, timeout_us = $9, retry_schedule_us = $10, max_in_flight = $11,
			rate_per_second = $13, updated_at = $12
			WHERE id = $14 AND deleted_at IS NULL RETURNING `+subscriptionColumns,
			clean(r.TargetURL), clean(r.Description), patterns(r.EventTypes), secrets, r.RequireSignature, store.JSON(r.PlainHeaders),
			r.Active, clean(r.DisabledReason), r.TimeoutUS, schedule(r.ScheduleUS), r.MaxInFlight,
			r.UpdatedAt, r.RatePerSecond, uuid(r.ID)), r.ID)
		if err != nil {
			return err
		}
		return announceChange(ctx, tx, sub.ID)
	})
	if err == nil && sub.Active {
		s.hints.hintDue(true) // what waited for it may be due
	}
	return after, err
}

// SwapSecrets writes secrets and headers, if they are still what they were.
func (s *Store) SwapSecrets(ctx context.Context, from, to event.Subscription) (swapped bool, err error) {
	r := store.EncodeSubscription[[]byte](to)
	err = s.inTx(ctx, quick, "swap a subscription's secrets", func(ctx context.Context, tx pgx.Tx) error {
		swapped = false
		now, err := readSubscription(tx.QueryRow(ctx, `SELECT `+subscriptionColumns+` FROM subscriptions
			WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE`, uuid(from.ID)), from.ID)
		if errors.Is(err, event.ErrNotFound) {
			return nil
		}
		if err != nil || !slices.Equal(now.Secrets, from.Secrets) || !maps.Equal(now.Headers, from.Headers) {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE subscriptions SET secrets = $1, headers = $2 WHERE id = $3`,
			blobs(r.PlainSecrets), store.JSON(r.PlainHeaders), uuid(from.ID))
		swapped = err == nil
		return err
	})
	return swapped && err == nil, err
}

const cancelSQL = `UPDATE deliveries SET status = 3, settled_at = $1, lease_owner = NULL, leased_until = NULL
	WHERE subscription_id = $2 AND status = 0 AND lease_owner IS `

// DeleteSubscription marks it deleted and cancels what is pending. What others are
// about to store at this moment is cancelled as soon as it is there.
func (s *Store) DeleteSubscription(ctx context.Context, id event.ID, at time.Time) error {
	cancelPending := func(ctx context.Context, tx pgx.Tx) error {
		for _, rows := range []string{"NULL", "NOT NULL"} { // a partial index each
			if _, err := tx.Exec(ctx, cancelSQL+rows, at, uuid(id)); err != nil {
				return err
			}
		}
		return nil
	}
	err := s.inTx(ctx, slow, "delete a subscription", func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE subscriptions SET deleted_at = $1, updated_at = $1, is_active = false,
			secrets = '{}', headers = 'null', require_signature = false WHERE id = $2 AND deleted_at IS NULL`, at, uuid(id))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("%w: subscription %s", event.ErrNotFound, id)
		}
		if err := announceChange(ctx, tx, id); err != nil {
			return err
		}
		return cancelPending(ctx, tx)
	})
	if err != nil {
		return err
	}
	// It is deleted, whatever comes now. Should the rest fail, what was stored at the
	// same moment stays pending, is never claimed, and expires.
	if s.awaitIntake(ctx) == nil {
		_ = s.inTx(ctx, slow, "cancel what came in meanwhile", cancelPending)
	}
	return nil
}

// awaitIntake returns when everything that was being stored when it was called is
// stored. It gives up soon: new events wait behind it.
func (s *Store) awaitIntake(ctx context.Context) error {
	return s.inTx(ctx, quick, "wait for what is being stored", func(ctx context.Context, tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(`SET LOCAL lock_timeout = '500ms'`)
		b.Queue(`SELECT pg_advisory_xact_lock($1)`, int64(deletionLock))
		return tx.SendBatch(ctx, b).Close()
	})
}

func readSubscription(row pgx.Row, id event.ID) (event.Subscription, error) {
	sub, err := scanSubscription(row)
	if errors.Is(err, pgx.ErrNoRows) {
		return event.Subscription{}, fmt.Errorf("%w: subscription %s", event.ErrNotFound, id)
	}
	if err != nil {
		return event.Subscription{}, err
	}
	return sub, nil
}

func scanSubscription(row pgx.Row) (event.Subscription, error) {
	var r subscriptionRow
	err := row.Scan(idTo(&r.ID), &r.TargetURL, &r.Description, &r.EventTypes, &r.PlainSecrets,
		&r.RequireSignature, &r.PlainHeaders, &r.Active, &r.DisabledReason, &r.TimeoutUS, &r.ScheduleUS,
		&r.MaxInFlight, &r.RatePerSecond, timeTo{&r.CreatedAt}, timeTo{&r.UpdatedAt}, timeTo{&r.DeletedAt})
	return r.Decode(), err
}

func patterns(list []string) texts {
	cleaned := make(texts, len(list))
	for i, pattern := range list {
		cleaned[i] = clean(pattern)
	}
	return cleaned
}

// schedule is the column of a retry schedule.
func schedule(us []int64) any {
	if us == nil {
		return nil
	}
	return longs(us)
}
