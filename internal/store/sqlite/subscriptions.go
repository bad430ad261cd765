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
)

const subscriptionColumns = `id, target_url, description, event_types, secrets, require_signature, headers, is_active,
	disabled_reason, timeout_us, retry_schedule, max_in_flight, rate_per_second, created_at, updated_at, deleted_at`

// CreateSubscription keeps a new subscription.
func (s *Store) CreateSubscription(ctx context.Context, sub event.Subscription) error {
	return s.write(ctx, 1, func(w *writer) error {
		_, err := w.conn.Exec(`INSERT INTO subscriptions (`+subscriptionColumns+`, inactive_since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			sub.ID[:], sub.TargetURL, sub.Description, jsonText(sub.EventTypes), jsonText(plain(sub.Secrets)), sub.RequireSignature,
			jsonText(map[string]string(sub.Headers)), sub.Active, sub.DisabledReason, sub.Timeout.Microseconds(), scheduleColumn(sub.RetrySchedule),
			sub.MaxInFlight, sub.RatePerSecond, micros(sub.CreatedAt), micros(sub.UpdatedAt), micros(sub.DeletedAt), micros(sub.CreatedAt))
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

// cursor is the upper bound of a page: everything, where none was given.
func cursor(before event.ID) []byte {
	if before.IsZero() {
		return []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return before[:]
}

// ReplaceSubscription writes what a caller may set.
func (s *Store) ReplaceSubscription(ctx context.Context, sub event.Subscription) (event.Subscription, error) {
	var after event.Subscription
	err := s.write(ctx, 1, func(w *writer) error {
		var secrets any
		if len(sub.Secrets) > 0 {
			secrets = jsonText(plain(sub.Secrets))
		}
		n, err := w.conn.Exec(`UPDATE subscriptions SET target_url = ?, description = ?, event_types = ?, secrets = coalesce(?, secrets),
			require_signature = ?, headers = ?, inactive_since = CASE WHEN is_active THEN ? ELSE inactive_since END,
			is_active = ?, disabled_reason = ?, timeout_us = ?, retry_schedule = ?, max_in_flight = ?, rate_per_second = ?, updated_at = ? WHERE id = ? AND deleted_at = 0`,
			sub.TargetURL, sub.Description, jsonText(sub.EventTypes), secrets, sub.RequireSignature, jsonText(map[string]string(sub.Headers)), micros(sub.UpdatedAt), sub.Active,
			sub.DisabledReason, sub.Timeout.Microseconds(), scheduleColumn(sub.RetrySchedule), sub.MaxInFlight, sub.RatePerSecond,
			micros(sub.UpdatedAt), sub.ID[:])
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
			jsonText(plain(to.Secrets)), jsonText(map[string]string(to.Headers)), from.ID[:])
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
	var sub event.Subscription
	var secrets []string
	var timeout int64
	var schedule []int64
	err := row.Scan(idScan{&sub.ID}, &sub.TargetURL, &sub.Description, jsonScan{&sub.EventTypes}, jsonScan{&secrets},
		&sub.RequireSignature, jsonScan{(*map[string]string)(&sub.Headers)}, &sub.Active, &sub.DisabledReason, &timeout, jsonScan{&schedule},
		&sub.MaxInFlight, &sub.RatePerSecond, timeScan{&sub.CreatedAt}, timeScan{&sub.UpdatedAt}, timeScan{&sub.DeletedAt})
	sub.Timeout = time.Duration(timeout) * time.Microsecond
	for _, secret := range secrets {
		sub.Secrets = append(sub.Secrets, event.Secret(secret))
	}
	if schedule != nil {
		sub.RetrySchedule = make(event.RetryPolicy, len(schedule))
		for i, us := range schedule {
			sub.RetrySchedule[i] = time.Duration(us) * time.Microsecond
		}
	}
	return sub, err
}

// plain is the secrets' text: a Secret writes itself as a placeholder.
func plain(secrets []event.Secret) []string {
	list := make([]string, len(secrets))
	for i, secret := range secrets {
		list[i] = string(secret)
	}
	return list
}

func scheduleColumn(p event.RetryPolicy) any {
	if p == nil {
		return nil
	}
	us := make([]int64, len(p))
	for i, d := range p {
		us[i] = d.Microseconds()
	}
	return jsonText(us)
}
