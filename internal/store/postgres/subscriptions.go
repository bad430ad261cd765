package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

type subscriptionRow = store.SubscriptionRow[[]byte]

// subscriptionColumns returns the columns of a subscription, to read into r or to write r.
func subscriptionColumns(r *subscriptionRow) store.Columns {
	return store.Columns{
		{Name: "id", Value: uuid(r.ID), Into: idTo(&r.ID)},
		{Name: "tenant_no", Value: r.TenantNo, Into: &r.TenantNo},
		{Name: "uid", Value: clean(r.UID), Into: &r.UID},
		{Name: "name", Value: clean(r.Name), Into: &r.Name},
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
	// subscriptionNames are the columns of a subscription and of its endpoint's health, and the id
	// of its tenant.
	subscriptionNames = store.Qualified("s", subscriptionColumns(&subscriptionRow{}).Names()) + `, ` + store.Qualified("h", healthNames) +
		`, (SELECT t.id FROM tenants t WHERE t.no = s.tenant_no) AS tenant`
	withHealth          = `subscriptions s LEFT JOIN subscription_health h ON h.subscription_id = s.id`
	subscriptionSQL     = `SELECT ` + subscriptionNames + ` FROM ` + withHealth + ` WHERE s.id = $1`
	subscriptionOfSQL   = `SELECT ` + subscriptionNames + ` FROM ` + withHealth + ` WHERE s.tenant_no = $1 AND s.uid = $2 AND s.uid <> '' AND s.deleted_at IS NULL`
	lockSubscriptionSQL = `SELECT revision FROM subscriptions WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE`
	// countSQL counts up to a limit.
	countSQL = `SELECT count(*) FROM (SELECT FROM subscriptions WHERE tenant_no = $1 AND deleted_at IS NULL LIMIT $2) AS s`
)

// CreateSubscription stores a new subscription, and its tenant if there is none.
func (s *Store) CreateSubscription(ctx context.Context, sub event.Subscription) error {
	sub.Tenant = cmp.Or(sub.Tenant, event.DefaultTenant)
	r := store.EncodeSubscription[[]byte](sub)
	r.Revision = 1
	return s.inTx(ctx, quick, "create a subscription", func(ctx context.Context, tx pgx.Tx) error {
		tenant, err := lockOrCreateTenant(ctx, tx, sub.Tenant, sub.CreatedAt)
		if err == nil {
			err = s.checkLimit(ctx, tx, tenant)
		}
		if err != nil {
			return err
		}
		r.TenantNo = tenant.No
		columns := append(subscriptionColumns(&r), store.Column{Name: "inactive_since", Value: r.CreatedAt})
		_, err = tx.Exec(ctx, `INSERT INTO subscriptions (`+columns.Names()+`) VALUES (`+columns.Parameters("$")+`)`, columns.Values()...)
		if err != nil {
			return uidTaken(err)
		}
		return announceChange(ctx, tx, sub.ID) // a node may have cached that it does not exist
	})
}

// lockOrCreateTenant locks a tenant, so that its subscriptions do not change meanwhile.
func lockOrCreateTenant(ctx context.Context, tx pgx.Tx, id string, at time.Time) (event.Tenant, error) {
	for range tries {
		t, err := scanTenant(tx.QueryRow(ctx, lockTenantSQL, clean(id)))
		if !errors.Is(err, pgx.ErrNoRows) {
			return t, err
		}
		// If another transaction creates it at this moment, this one waits, and then finds it.
		if _, err := tx.Exec(ctx, newTenantSQL, clean(id), "", "{}", "{}", at, at); err != nil {
			return event.Tenant{}, err
		}
	}
	return event.Tenant{}, errRestless(id)
}

// checkLimit returns an error if a tenant, which the caller has locked, can have no more
// subscriptions.
func (s *Store) checkLimit(ctx context.Context, tx pgx.Tx, t event.Tenant) error {
	limit, raise := t.Limits.Subscriptions, "raise limits.subscriptions of the tenant"
	if limit == 0 {
		limit, raise = s.maxSubscriptions, "set limits.subscriptions of the tenant"
	}
	var n int
	if err := tx.QueryRow(ctx, countSQL, t.No, limit).Scan(&n); err != nil {
		return err
	}
	if n >= limit {
		return fmt.Errorf("%w: tenant %s has %d subscriptions, and its limit is %d; delete one, or %s", event.ErrTenantLimit, t.ID, n, limit, raise)
	}
	return nil
}

// uidTaken translates the error of a statement that writes a uid.
func uidTaken(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.ConstraintName == uidIndex {
		return fmt.Errorf("%w: another subscription of the tenant has it; choose another uid, or change that subscription", event.ErrUIDTaken)
	}
	return err
}

// Subscription reads a subscription, even a deleted one. It reads from the primary, because
// ingest relies on it.
func (s *Store) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	sub, err := s.readSubscription(ctx, s.pool, id)
	return sub, fail("read a subscription", err)
}

// SubscriptionByUID finds a subscription by its uid, on the primary.
func (s *Store) SubscriptionByUID(ctx context.Context, tenantNo int64, uid string) (event.Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	sub, err := s.scanSubscription(s.pool.QueryRow(ctx, subscriptionOfSQL, tenantNo, clean(uid)))
	if errors.Is(err, pgx.ErrNoRows) {
		return event.Subscription{}, fmt.Errorf("%w: subscription with the uid %q", event.ErrNotFound, event.Clip(uid, event.MaxQuoted))
	}
	return sub, fail("find a subscription by its uid", err)
}

// ReplaceSubscription writes everything that a caller may set.
func (s *Store) ReplaceSubscription(ctx context.Context, sub event.Subscription) (event.Subscription, error) {
	r := store.EncodeSubscription[[]byte](sub)
	columns := r.Replaced(subscriptionColumns(&r))
	sql := fmt.Sprintf(`UPDATE subscriptions SET %s, revision = revision + 1,
		inactive_since = CASE WHEN is_active THEN $%d ELSE inactive_since END WHERE id = $%d`,
		columns.Assignments("$"), len(columns)+1, len(columns)+2)
	return s.changeSubscription(ctx, subscriptionChange{
		what: "replace a subscription", id: sub.ID, revision: sub.Revision, at: sub.UpdatedAt,
		sql: sql, args: columns.Values(r.UpdatedAt, uuid(r.ID)),
	})
}

// subscriptionChange is a statement that changes one subscription.
type subscriptionChange struct {
	what     string
	id       event.ID
	revision int64 // that the subscription must have; 0 means any
	at       time.Time
	sql      string
	args     []any
}

// changeSubscription makes a change and returns the subscription after it.
func (s *Store) changeSubscription(ctx context.Context, c subscriptionChange) (after event.Subscription, err error) {
	err = s.inTx(ctx, quick, c.what, func(ctx context.Context, tx pgx.Tx) (err error) {
		if err := lockSubscription(ctx, tx, c.id, c.revision); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, c.sql, c.args...); err != nil {
			return uidTaken(err)
		}
		if after, err = s.readSubscription(ctx, tx, c.id); err != nil {
			return err
		}
		if err := s.unparkFirst(ctx, tx, &after, c.at); err != nil {
			return err
		}
		return announceChange(ctx, tx, c.id)
	})
	s.hints.hintDue(err == nil && after.Active) // deliveries that waited may be due
	return after, err
}

// lockSubscription locks a subscription. It returns an error if the subscription is deleted, or
// if revision is not 0 and the subscription has another revision.
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
func (s *Store) PauseSubscription(ctx context.Context, id event.ID, p event.Pause) (event.Subscription, error) {
	return s.changeSubscription(ctx, subscriptionChange{
		what: "pause a subscription", id: id, at: p.At,
		sql:  `UPDATE subscriptions SET paused_at = coalesce(paused_at, $1), paused_by = $2, paused_reason = $3 WHERE id = $4`,
		args: []any{p.At, clean(p.By), clean(p.Reason), uuid(id)},
	})
}

// ResumeSubscription ends a pause.
func (s *Store) ResumeSubscription(ctx context.Context, id event.ID, at time.Time) (event.Subscription, error) {
	return s.changeSubscription(ctx, subscriptionChange{
		what: "resume a subscription", id: id, at: at,
		sql:  `UPDATE subscriptions SET paused_at = NULL, paused_by = '', paused_reason = '' WHERE id = $1`,
		args: []any{uuid(id)},
	})
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

// DeleteSubscription marks a subscription as deleted and cancels its pending deliveries.
func (s *Store) DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error {
	if err := s.deleteSubscription(ctx, id, at, revision); err != nil {
		return err
	}
	s.cancelLate(ctx, at, id)
	return nil
}

func (s *Store) deleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error {
	return s.inTx(ctx, slow, "delete a subscription", func(ctx context.Context, tx pgx.Tx) error {
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
		return cancelPendingOf(ctx, tx, at, id)
	})
}

// cancelLate cancels deliveries of deleted subscriptions that other transactions were storing when
// these were deleted. If it fails, such deliveries stay pending, are never claimed, and expire.
func (s *Store) cancelLate(ctx context.Context, at time.Time, deleted ...event.ID) {
	if len(deleted) > 0 && s.awaitIntake(ctx) == nil {
		_ = s.inTx(ctx, slow, "cancel deliveries stored meanwhile", func(ctx context.Context, tx pgx.Tx) error {
			return cancelPendingOf(ctx, tx, at, deleted...)
		})
	}
}

const cancelSQL = `UPDATE deliveries SET status = 3, settled_at = $1, lease_owner = NULL, leased_until = NULL
	WHERE subscription_id = $2 AND status = 0 AND lease_owner IS `

func cancelPendingOf(ctx context.Context, tx pgx.Tx, at time.Time, subscriptions ...event.ID) error {
	for _, id := range subscriptions {
		for _, rows := range []string{"NULL", "NOT NULL"} { // each has its partial index
			if _, err := tx.Exec(ctx, cancelSQL+rows, at, uuid(id)); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitIntake waits until every transaction that stores deliveries at this moment has ended. It
// does not wait long, because new events queue behind it.
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

// scanSubscription reads subscriptionNames, and more columns after them.
func (s *Store) scanSubscription(row pgx.Row, more ...any) (event.Subscription, error) {
	var r subscriptionRow
	into := append(subscriptionColumns(&r).Into(), healthColumns(&r.Health).Into()...)
	if err := row.Scan(append(append(into, &r.Tenant), more...)...); err != nil {
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
