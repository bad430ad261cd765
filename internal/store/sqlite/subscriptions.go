package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

const subscriptionColumns = `id, target_url, description, event_types, secrets, require_signature, headers, is_active,
	disabled_reason, timeout_us, retry_schedule, max_in_flight, rate_per_second, created_at, updated_at, deleted_at`

type subscriptionRow = store.SubscriptionRow[string]

// CreateSubscription keeps a new subscription.
func (s *Store) CreateSubscription(ctx context.Context, sub event.Subscription) error {
	r := store.EncodeSubscription[string](sub)
	return s.write(ctx, 1, func(w *writer) error {
		_, err := w.conn.Exec(`INSERT INTO subscriptions (`+subscriptionColumns+`, inactive_since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.ID[:], r.TargetURL, r.Description, store.JSON(r.EventTypes), store.JSON(r.PlainSecrets), r.RequireSignature,
			store.JSON(r.PlainHeaders), r.Active, r.DisabledReason, r.TimeoutUS, schedule(r.ScheduleUS),
			r.MaxInFlight, r.RatePerSecond, micros(r.CreatedAt), micros(r.UpdatedAt), micros(r.DeletedAt), micros(r.CreatedAt))
		return err
	})
}

// Subscription reads one, a deleted one too.
func (s *Store) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	return readSubscription(s.reads.QueryRowContext(ctx, `SELECT `+subscriptionColumns+` FROM subscriptions WHERE id = ?`, id[:]), id)
}

// ListSubscriptions reads a page of those that exist, newest first.
func (s *Store) ListSubscriptions(ctx context.Context, before event.ID, limit int) ([]event.Subscription, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT `+subscriptionColumns+` FROM subscriptions
		WHERE deleted_at = 0 AND id < ? ORDER BY id DESC LIMIT ?`, cursor(before), limit)
	if err != nil {
		return nil, unavailable("list subscriptions", err)
	}
	return collect("list subscriptions", rows, func() (event.Subscription, error) { return scanSubscription(rows) })
}

// ReplaceSubscription writes what a caller may set.
func (s *Store) ReplaceSubscription(ctx context.Context, sub event.Subscription) (event.Subscription, error) {
	var after event.Subscription
	r := store.EncodeSubscription[string](sub)
	err := s.write(ctx, 1, func(w *writer) error {
		var secrets any
		if len(r.PlainSecrets) > 0 {
			secrets = store.JSON(r.PlainSecrets)
		}
		n, err := w.conn.Exec(`UPDATE subscriptions SET target_url = ?, description = ?, event_types = ?, secrets = coalesce(?, secrets),
			require_signature = ?, headers = ?, inactive_since = CASE WHEN is_active THEN ? ELSE inactive_since END,
			is_active = ?, disabled_reason = ?, timeout_us = ?, retry_schedule = ?, max_in_flight = ?, rate_per_second = ?, updated_at = ? WHERE id = ? AND deleted_at = 0`,
			r.TargetURL, r.Description, store.JSON(r.EventTypes), secrets, r.RequireSignature, store.JSON(r.PlainHeaders), micros(r.UpdatedAt), r.Active,
			r.DisabledReason, r.TimeoutUS, schedule(r.ScheduleUS), r.MaxInFlight, r.RatePerSecond,
			micros(r.UpdatedAt), r.ID[:])
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%w: subscription %s", event.ErrNotFound, sub.ID)
		}
		after, err = readSubscription(w.conn.Row(`SELECT `+subscriptionColumns+` FROM subscriptions WHERE id = ?`, sub.ID[:]), sub.ID)
		return err
	})
	return after, err
}

// SwapSecrets writes secrets and headers, if they are still what they were.
func (s *Store) SwapSecrets(ctx context.Context, from, to event.Subscription) (swapped bool, err error) {
	r := store.EncodeSubscription[string](to)
	err = s.write(ctx, 1, func(w *writer) error {
		swapped = false
		now, err := readSubscription(w.conn.Row(`SELECT `+subscriptionColumns+` FROM subscriptions WHERE id = ? AND deleted_at = 0`, from.ID[:]), from.ID)
		if errors.Is(err, event.ErrNotFound) {
			return nil
		}
		if err != nil || !slices.Equal(now.Secrets, from.Secrets) || !maps.Equal(now.Headers, from.Headers) {
			return err
		}
		_, err = w.conn.Exec(`UPDATE subscriptions SET secrets = ?, headers = ? WHERE id = ?`,
			store.JSON(r.PlainSecrets), store.JSON(r.PlainHeaders), from.ID[:])
		swapped = err == nil
		return err
	})
	return swapped && err == nil, err
}

// DeleteSubscription marks it deleted and cancels what is pending.
func (s *Store) DeleteSubscription(ctx context.Context, id event.ID, at time.Time) error {
	return s.write(ctx, 1, func(w *writer) error {
		n, err := w.conn.Exec(`UPDATE subscriptions SET deleted_at = ?, updated_at = ?, is_active = 0, secrets = '[]', headers = 'null', require_signature = 0
			WHERE id = ? AND deleted_at = 0`, micros(at), micros(at), id[:])
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%w: subscription %s", event.ErrNotFound, id)
		}
		delete(w.living, id)
		if err := w.ensureRows(func(r implicitRow) bool { return r.subscription == id }); err != nil {
			return err
		}
		for _, rows := range []string{"lease_owner IS NULL", "lease_owner IS NOT NULL"} { // a partial index each
			if _, err := w.conn.Exec(`UPDATE deliveries
				SET status = 3, settled_at = ?, lease_owner = NULL, leased_until = 0
				WHERE subscription_id = ? AND status = 0 AND `+rows, micros(at), id[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

func readSubscription(row scanner, id event.ID) (event.Subscription, error) {
	sub, err := scanSubscription(row)
	if errors.Is(err, sql.ErrNoRows) {
		return event.Subscription{}, fmt.Errorf("%w: subscription %s", event.ErrNotFound, id)
	}
	if err != nil {
		return event.Subscription{}, unavailable("read a subscription", err)
	}
	return sub, nil
}

func scanSubscription(row scanner) (event.Subscription, error) {
	var r subscriptionRow
	err := row.Scan(idScan{&r.ID}, &r.TargetURL, &r.Description, jsonScan{&r.EventTypes}, jsonScan{&r.PlainSecrets},
		&r.RequireSignature, jsonScan{&r.PlainHeaders}, &r.Active, &r.DisabledReason, &r.TimeoutUS, jsonScan{&r.ScheduleUS},
		&r.MaxInFlight, &r.RatePerSecond, timeScan{&r.CreatedAt}, timeScan{&r.UpdatedAt}, timeScan{&r.DeletedAt})
	return r.Decode(), err
}

// schedule is the column of a retry schedule.
func schedule(us []int64) any {
	if us == nil {
		return nil
	}
	return store.JSON(us)
}
