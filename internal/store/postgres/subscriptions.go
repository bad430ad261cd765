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

type subscriptionRow = store.SubscriptionRow[[]byte]

// subscriptionColumns returns the columns of a subscription, to read into r or to write r.
func subscriptionColumns(r *subscriptionRow) store.Columns {
	return store.Columns{
		{Name: "id", Value: uuid(r.ID), Into: idTo(&r.ID)},
		{Name: "target_url", Value: clean(r.TargetURL), Into: &r.TargetURL},
		{Name: "description", Value: clean(r.Description), Into: &r.Description},
		{Name: "event_types", Value: patterns(r.EventTypes), Into: &r.EventTypes},
		{Name: "secrets", Value: blobs(r.PlainSecrets), Into: &r.PlainSecrets},
		{Name: "require_signature", Value: r.RequireSignature, Into: &r.RequireSignature},
		{Name: "headers", Value: store.JSON(r.PlainHeaders), Into: &r.PlainHeaders},
		{Name: "is_active", Value: r.Active, Into: &r.Active},
		{Name: "disabled_reason", Value: clean(r.DisabledReason), Into: &r.DisabledReason},
		{Name: "timeout_us", Value: r.TimeoutUS, Into: &r.TimeoutUS},
		{Name: "retry_schedule_us", Value: schedule(r.ScheduleUS), Into: &r.ScheduleUS},
		{Name: "max_in_flight", Value: r.MaxInFlight, Into: &r.MaxInFlight},
		{Name: "rate_per_second", Value: r.RatePerSecond, Into: &r.RatePerSecond},
		{Name: "settings", Value: r.SettingsJSON, Into: &r.SettingsJSON},
		{Name: "created_at", Value: r.CreatedAt, Into: timeTo{&r.CreatedAt}},
		{Name: "updated_at", Value: r.UpdatedAt, Into: timeTo{&r.UpdatedAt}},
		{Name: "deleted_at", Value: nullTime(r.DeletedAt), Into: timeTo{&r.DeletedAt}},
		{Name: "revision", Value: r.Revision, Into: &r.Revision},
		{Name: "paused_at", Value: nullTime(r.PausedAt), Into: timeTo{&r.PausedAt}},
		{Name: "paused_by", Value: clean(r.PausedBy), Into: &r.PausedBy},
		{Name: "paused_reason", Value: clean(r.PausedReason), Into: &r.PausedReason},
	}
}

var (
	// subscriptionNames are the columns of a subscription and of its endpoint's health.
	subscriptionNames    = subscriptionColumns(&subscriptionRow{}).Names() + `, ` + healthNames
	withHealth           = `subscriptions LEFT JOIN subscription_health ON subscription_id = id`
	subscriptionSQL      = `SELECT ` + subscriptionNames + ` FROM ` + withHealth + ` WHERE id = $1`
	listSubscriptionsSQL = `SELECT ` + subscriptionNames + ` FROM ` + withHealth + `
		WHERE deleted_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $2`
	lockSubscriptionSQL = `SELECT revision FROM subscriptions WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE`
)

// CreateSubscription stores a new subscription.
func (s *Store) CreateSubscription(ctx context.Context, sub event.Subscription) error {
	r := store.EncodeSubscription[[]byte](sub)
	r.Revision = 1
	columns := append(subscriptionColumns(&r), store.Column{Name: "inactive_since", Value: r.CreatedAt})
	return s.inTx(ctx, quick, "create a subscription", func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO subscriptions (`+columns.Names()+`) VALUES (`+columns.Parameters("$")+`)`, columns.Values()...)
		if err != nil {
			return err
		}
		return announceChange(ctx, tx, sub.ID) // a node may have cached that it does not exist
	})
}

// Subscription reads a subscription, even a deleted one. It reads from the primary, because
// ingest relies on it.
func (s *Store) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	sub, err := s.readSubscription(ctx, s.pool, id)
	return sub, fail("read a subscription", err)
}

// ListSubscriptions reads a page of the subscriptions that are not deleted, newest first.
func (s *Store) ListSubscriptions(ctx context.Context, before event.ID, limit int) ([]event.Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	var list []event.Subscription
	err := s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, listSubscriptionsSQL, cursor(before), limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (event.Subscription, error) { return s.scanSubscription(row) })
		return err
	})
	if err != nil {
		return nil, fail("list subscriptions", err)
	}
	return list, nil
}

// ReplaceSubscription writes everything that a caller may set.
func (s *Store) ReplaceSubscription(ctx context.Context, sub event.Subscription) (event.Subscription, error) {
	var after event.Subscription
	r := store.EncodeSubscription[[]byte](sub)
	columns := r.Replaced(subscriptionColumns(&r))
	sql := fmt.Sprintf(`UPDATE subscriptions SET %s, revision = revision + 1,
		inactive_since = CASE WHEN is_active THEN $%d ELSE inactive_since END WHERE id = $%d`,
		columns.Assignments("$"), len(columns)+1, len(columns)+2)
	err := s.changeSubscription(ctx, "replace a subscription", sub.ID, sub.Revision, &after, sql, columns.Values(r.UpdatedAt, uuid(r.ID))...)
	return after, err
}

// changeSubscription runs a statement that changes one subscription, and reads the result into
// after. If revision is not 0, the subscription must have that revision.
func (s *Store) changeSubscription(ctx context.Context, what string, id event.ID, revision int64, after *event.Subscription, sql string, args ...any) error {
	err := s.inTx(ctx, quick, what, func(ctx context.Context, tx pgx.Tx) (err error) {
		if err := lockSubscription(ctx, tx, id, revision); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sql, args...); err != nil {
			return err
		}
		if *after, err = s.readSubscription(ctx, tx, id); err != nil {
			return err
		}
		if err := s.unparkFirst(ctx, tx, after); err != nil {
			return err
		}
		return announceChange(ctx, tx, id)
	})
	s.hints.hintDue(err == nil && after.Active) // deliveries that waited may be due
	return err
}

// lockSubscription locks a subscription. It returns an error if the subscription is deleted, or
// if revision is not 0 and the subscription has another one.
func lockSubscription(ctx context.Context, tx pgx.Tx, id event.ID, revision int64) error {
	var now int64
	err := tx.QueryRow(ctx, lockSubscriptionSQL, uuid(id)).Scan(&now)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: subscription %s", event.ErrNotFound, id)
	}
	if err == nil && revision != 0 && revision != now {
		return fmt.Errorf("%w: its revision is %d, not %d", event.ErrChanged, now, revision)
	}
	return err
}

// PauseSubscription makes the deliveries of a subscription wait.
func (s *Store) PauseSubscription(ctx context.Context, id event.ID, p event.Pause) (after event.Subscription, err error) {
	err = s.changeSubscription(ctx, "pause a subscription", id, 0, &after, `UPDATE subscriptions SET paused_at = coalesce(paused_at, $1),
		paused_by = $2, paused_reason = $3 WHERE id = $4`, p.At, clean(p.By), clean(p.Reason), uuid(id))
	return after, err
}

// ResumeSubscription ends a pause.
func (s *Store) ResumeSubscription(ctx context.Context, id event.ID, _ time.Time) (after event.Subscription, err error) {
	err = s.changeSubscription(ctx, "resume a subscription", id, 0, &after,
		`UPDATE subscriptions SET paused_at = NULL, paused_by = '', paused_reason = '' WHERE id = $1`, uuid(id))
	return after, err
}

// SwapSecrets replaces secrets and headers if they are still those of from.
func (s *Store) SwapSecrets(ctx context.Context, from, to event.Subscription) (swapped bool, err error) {
	r := store.EncodeSubscription[[]byte](to)
	err = s.inTx(ctx, quick, "swap a subscription's secrets", func(ctx context.Context, tx pgx.Tx) error {
		swapped = false
		err := lockSubscription(ctx, tx, from.ID, 0)
		if errors.Is(err, event.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		now, err := s.readSubscription(ctx, tx, from.ID)
		if err != nil || !slices.Equal(now.Secrets, from.Secrets) || !maps.Equal(now.Headers, from.Headers) {
			return err
		}
		if _, err := tx.Exec(ctx, `SET LOCAL hookferry.same_settings = 'yes'`); err != nil {
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

// DeleteSubscription marks a subscription as deleted and cancels its pending deliveries.
// Deliveries that other transactions store at this moment are cancelled afterwards.
func (s *Store) DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error {
	cancelPending := func(ctx context.Context, tx pgx.Tx) error {
		for _, rows := range []string{"NULL", "NOT NULL"} { // each has its partial index
			if _, err := tx.Exec(ctx, cancelSQL+rows, at, uuid(id)); err != nil {
				return err
			}
		}
		return nil
	}
	err := s.inTx(ctx, slow, "delete a subscription", func(ctx context.Context, tx pgx.Tx) error {
		if err := lockSubscription(ctx, tx, id, revision); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE subscriptions SET deleted_at = $1, updated_at = $1, is_active = false,
			secrets = '{}', headers = 'null', require_signature = false WHERE id = $2`, at, uuid(id))
		if err != nil {
			return err
		}
		if err := announceChange(ctx, tx, id); err != nil {
			return err
		}
		return cancelPending(ctx, tx)
	})
	if err != nil {
		return err
	}
	// The subscription is deleted. If the rest fails, deliveries that were stored at the same
	// moment stay pending, are never claimed, and expire.
	if s.awaitIntake(ctx) == nil {
		_ = s.inTx(ctx, slow, "cancel deliveries stored meanwhile", cancelPending)
	}
	return nil
}

// awaitIntake waits until all transactions that store deliveries now have ended. It does not
// wait long, because new events queue behind it.
func (s *Store) awaitIntake(ctx context.Context) error {
	return s.inTx(ctx, quick, "wait for deliveries that are being stored", func(ctx context.Context, tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(`SET LOCAL lock_timeout = '500ms'`)
		b.Queue(`SELECT pg_advisory_xact_lock($1)`, int64(deletionLock))
		return tx.SendBatch(ctx, b).Close()
	})
}

// rowQuerier is the pool or a transaction.
type rowQuerier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (s *Store) readSubscription(ctx context.Context, db rowQuerier, id event.ID) (event.Subscription, error) {
	sub, err := s.scanSubscription(db.QueryRow(ctx, subscriptionSQL, uuid(id)))
	if errors.Is(err, pgx.ErrNoRows) {
		return event.Subscription{}, fmt.Errorf("%w: subscription %s", event.ErrNotFound, id)
	}
	if err != nil {
		return event.Subscription{}, err
	}
	return sub, nil
}

func (s *Store) scanSubscription(row pgx.Row) (event.Subscription, error) {
	var r subscriptionRow
	if err := row.Scan(append(subscriptionColumns(&r).Into(), healthColumns(&r.Health).Into()...)...); err != nil {
		return event.Subscription{}, err
	}
	r.Health = healthIn(r.Health, s.clock.toNode)
	return r.Decode()
}

func patterns(list []string) texts {
	cleaned := make(texts, len(list))
	for i, pattern := range list {
		cleaned[i] = clean(pattern)
	}
	return cleaned
}

// schedule returns the value of a retry schedule's column.
func schedule(us []int64) any {
	if us == nil {
		return nil
	}
	return longs(us)
}
