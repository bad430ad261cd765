package sqlite

import (
	"cmp"
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

type subscriptionRow = store.SubscriptionRow[string]

// subscriptionColumns returns the columns of a subscription, to read into r or to write r.
func subscriptionColumns(r *subscriptionRow) store.Columns {
	return store.Columns{
		{Name: "id", Value: r.ID[:], Into: idScan{&r.ID}},
		{Name: "tenant_no", Value: r.TenantNo, Into: &r.TenantNo},
		{Name: "uid", Value: r.UID, Into: &r.UID},
		{Name: "name", Value: r.Name, Into: &r.Name},
		{Name: "target_url", Value: r.TargetURL, Into: &r.TargetURL},
		{Name: "description", Value: r.Description, Into: &r.Description},
		{Name: "event_types", Value: store.JSON(r.EventTypes), Into: jsonScan{&r.EventTypes}},
		{Name: "secrets", Value: store.JSON(r.PlainSecrets), Into: jsonScan{&r.PlainSecrets}},
		{Name: "require_signature", Value: r.RequireSignature, Into: &r.RequireSignature},
		{Name: "headers", Value: store.JSON(r.PlainHeaders), Into: jsonScan{&r.PlainHeaders}},
		{Name: "is_active", Value: r.Active, Into: &r.Active},
		{Name: "disabled_reason", Value: r.DisabledReason, Into: &r.DisabledReason},
		{Name: "timeout_us", Value: r.TimeoutUS, Into: &r.TimeoutUS},
		{Name: "retry_schedule", Value: schedule(r.ScheduleUS), Into: jsonScan{&r.ScheduleUS}},
		{Name: "max_in_flight", Value: r.MaxInFlight, Into: &r.MaxInFlight},
		{Name: "rate_per_second", Value: r.RatePerSecond, Into: &r.RatePerSecond},
		{Name: "settings", Value: r.SettingsJSON, Into: &r.SettingsJSON},
		{Name: "created_at", Value: micros(r.CreatedAt), Into: timeScan{&r.CreatedAt}},
		{Name: "updated_at", Value: micros(r.UpdatedAt), Into: timeScan{&r.UpdatedAt}},
		{Name: "deleted_at", Value: micros(r.DeletedAt), Into: timeScan{&r.DeletedAt}},
		{Name: "revision", Value: r.Revision, Into: &r.Revision},
		{Name: "paused_at", Value: micros(r.PausedAt), Into: timeScan{&r.PausedAt}},
		{Name: "paused_by", Value: r.PausedBy, Into: &r.PausedBy},
		{Name: "paused_reason", Value: r.PausedReason, Into: &r.PausedReason},
	}
}

// selectedTenant reads the id of the tenant of a row with a tenant_no. It is empty if there is none.
const selectedTenant = `coalesce((SELECT t.id FROM tenants t WHERE t.no = tenant_no), '')`

// selectedSubscription is what scanSubscription reads. selectSubscriptions is the beginning of a
// statement that reads it.
var (
	selectedSubscription = subscriptionText + `, checksum, ` + selectedTenant + `, ` + subscriptionColumns(&subscriptionRow{}).Names() + `, ` + selectedHealth
	selectSubscriptions  = `SELECT ` + selectedSubscription + ` FROM ` + withHealth + ` `
)

// CreateSubscription stores a new subscription, and its tenant if that does not exist.
func (s *Store) CreateSubscription(ctx context.Context, sub event.Subscription) error {
	r := store.EncodeSubscription[string](sub)
	r.Tenant, r.Revision = cmp.Or(sub.Tenant, event.DefaultTenant), 1
	return s.write(ctx, 1, func(w *writer) (err error) {
		if r.TenantNo, err = w.tenantToJoin(&r.Subscription, s.maxSubscriptions); err != nil {
			return err
		}
		columns := append(subscriptionColumns(&r), store.Column{Name: "inactive_since", Value: micros(r.CreatedAt)})
		if _, err := w.conn.Exec(`INSERT INTO subscriptions (`+columns.Names()+`) VALUES (`+columns.Parameters("?")+`)`, columns.Values()...); err != nil {
			return err
		}
		return w.noteChange(r.ID, r.TenantNo)
	})
}

// tenantToJoin returns the number of the tenant of a new subscription. It creates the tenant if there
// is none, and returns an error if the tenant can't have the subscription. most is the limit of a
// tenant that has no limit of its own.
func (w *writer) tenantToJoin(sub *event.Subscription, most int) (no int64, err error) {
	t, err := readTenant(w.conn.Row(livingTenant, sub.Tenant), sub.Tenant)
	if errors.Is(err, event.ErrNotFound) {
		t, _, err = w.putTenant(&event.Tenant{ID: sub.Tenant, CreatedAt: sub.CreatedAt, UpdatedAt: sub.CreatedAt})
		return t.No, err
	}
	if err != nil {
		return 0, err
	}
	if err := w.mustBeFree(t.No, sub); err != nil {
		return 0, err
	}
	var n int
	if err := w.conn.Row(`SELECT count(*) FROM subscriptions WHERE tenant_no = ? AND deleted_at = 0`, t.No).Scan(&n); err != nil {
		return 0, err
	}
	if limit := cmp.Or(t.Limits.Subscriptions, most); n >= limit {
		return 0, fmt.Errorf("%w: tenant %s has %d subscriptions, and its limit is %d; delete one, or raise the limit", event.ErrTenantLimit, t.ID, n, limit)
	}
	return t.No, nil
}

const byUID = `WHERE tenant_no = ? AND uid = ? AND uid <> '' AND deleted_at = 0`

// mustBeFree returns an error if another subscription of the tenant has the uid of sub.
func (w *writer) mustBeFree(tenantNo int64, sub *event.Subscription) error {
	var other event.ID
	err := w.conn.Row(`SELECT id FROM subscriptions `+byUID, tenantNo, sub.UID).Scan(idScan{&other})
	if errors.Is(err, sql.ErrNoRows) || err == nil && other == sub.ID {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: subscription %s of the same tenant has the uid %q; choose another one, or change that subscription", event.ErrUIDTaken, other, sub.UID)
}

// Subscription reads a subscription, even a deleted one.
func (s *Store) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	return readSubscription(s.reads.QueryRowContext(ctx, selectSubscriptions+`WHERE id = ?`, id[:]), id)
}

// SubscriptionByUID reads the subscription of a tenant with this uid.
func (s *Store) SubscriptionByUID(ctx context.Context, tenantNo int64, uid string) (event.Subscription, error) {
	sub, err := scanSubscription(s.reads.QueryRowContext(ctx, selectSubscriptions+byUID, tenantNo, uid))
	if errors.Is(err, sql.ErrNoRows) {
		return event.Subscription{}, fmt.Errorf("%w: no subscription of the tenant has the uid %q", event.ErrNotFound, uid)
	}
	if err != nil {
		return event.Subscription{}, unavailable("read a subscription", err)
	}
	return sub, nil
}

// ReplaceSubscription writes everything that a caller may set.
func (s *Store) ReplaceSubscription(ctx context.Context, sub event.Subscription) (event.Subscription, error) {
	var after event.Subscription
	r := store.EncodeSubscription[string](sub)
	columns := r.Replaced(subscriptionColumns(&r))
	err := s.write(ctx, 1, func(w *writer) error {
		tenantNo, err := w.checkRevision(sub.ID, sub.Revision)
		if err != nil {
			return err
		}
		if err := w.mustBeFree(tenantNo, &sub); err != nil {
			return err
		}
		_, err = w.conn.Exec(`UPDATE subscriptions SET `+columns.Assignments("?")+`, revision = revision + 1,
			inactive_since = CASE WHEN is_active THEN ? ELSE inactive_since END WHERE id = ?`,
			columns.Values(micros(r.UpdatedAt), r.ID[:])...)
		if err != nil {
			return err
		}
		after, err = w.changed(sub.ID, tenantNo, sub.UpdatedAt)
		return err
	})
	return after, err
}

// checkRevision returns the number of a subscription's tenant. It returns an error if the subscription is
// deleted, or if revision is not 0 and the subscription has another one.
func (w *writer) checkRevision(id event.ID, revision int64) (tenantNo int64, err error) {
	var now int64
	err = w.conn.Row(`SELECT tenant_no, revision FROM subscriptions WHERE id = ? AND deleted_at = 0`, id[:]).Scan(&tenantNo, &now)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("%w: subscription %s", event.ErrNotFound, id)
	}
	if err == nil && revision != 0 && revision != now {
		return 0, fmt.Errorf("%w: its revision is %d, not %d", event.ErrChanged, now, revision)
	}
	return tenantNo, err
}

// unparkAtOnce is how many deliveries are unparked by the change of a subscription that permits
// them. Unpark does the rest.
const unparkAtOnce = 1000

// changed completes a change of a subscription: it does what noteChange does, unparks the first
// deliveries if the gate permits them now, and returns the subscription.
func (w *writer) changed(id event.ID, tenantNo int64, now time.Time) (event.Subscription, error) {
	if err := w.noteChange(id, tenantNo); err != nil {
		return event.Subscription{}, err
	}
	if _, err := w.unpark(id, now, unparkAtOnce); err != nil {
		return event.Subscription{}, err
	}
	return readSubscription(w.conn.Row(selectSubscriptions+`WHERE id = ?`, id[:]), id)
}

// PauseSubscription makes the deliveries of a subscription wait.
func (s *Store) PauseSubscription(ctx context.Context, id event.ID, p event.Pause) (after event.Subscription, err error) {
	err = s.write(ctx, 1, func(w *writer) error {
		tenantNo, err := w.checkRevision(id, 0)
		if err != nil {
			return err
		}
		_, err = w.conn.Exec(`UPDATE subscriptions SET paused_at = CASE WHEN paused_at = 0 THEN ? ELSE paused_at END,
			paused_by = ?, paused_reason = ? WHERE id = ?`, micros(p.At), p.By, p.Reason, id[:])
		if err != nil {
			return err
		}
		after, err = w.changed(id, tenantNo, p.At)
		return err
	})
	return after, err
}

// ResumeSubscription ends a pause.
func (s *Store) ResumeSubscription(ctx context.Context, id event.ID, at time.Time) (after event.Subscription, err error) {
	err = s.write(ctx, 1, func(w *writer) error {
		tenantNo, err := w.checkRevision(id, 0)
		if err != nil {
			return err
		}
		_, err = w.conn.Exec(`UPDATE subscriptions SET paused_at = 0, paused_by = '', paused_reason = '' WHERE id = ?`, id[:])
		if err != nil {
			return err
		}
		after, err = w.changed(id, tenantNo, at)
		return err
	})
	return after, err
}

// SwapSecrets replaces secrets and headers if they are still those of from.
func (s *Store) SwapSecrets(ctx context.Context, from, to event.Subscription) (swapped bool, err error) {
	r := store.EncodeSubscription[string](to)
	err = s.write(ctx, 1, func(w *writer) error {
		swapped = false
		now, err := readSubscription(w.conn.Row(selectSubscriptions+`WHERE id = ? AND deleted_at = 0`, from.ID[:]), from.ID)
		if errors.Is(err, event.ErrNotFound) {
			return nil
		}
		if err != nil || now.Sealed != "" || !slices.Equal(now.Secrets, from.Secrets) || !maps.Equal(now.Headers, from.Headers) {
			return err
		}
		_, err = w.conn.Exec(`UPDATE subscriptions SET secrets = ?, headers = ? WHERE id = ?`,
			store.JSON(r.PlainSecrets), store.JSON(r.PlainHeaders), from.ID[:])
		if err == nil {
			err = w.writeChecksum(from.ID)
		}
		swapped = err == nil
		return err
	})
	return swapped && err == nil, err
}

// DeleteSubscription marks a subscription as deleted and cancels its pending deliveries.
func (s *Store) DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error {
	return s.write(ctx, 1, func(w *writer) error { return w.deleteSubscription(id, at, revision) })
}

func (w *writer) deleteSubscription(id event.ID, at time.Time, revision int64) error {
	tenantNo, err := w.checkRevision(id, revision)
	if err != nil {
		return err
	}
	if _, err := w.conn.Exec(`UPDATE subscriptions SET deleted_at = ?, updated_at = ?, is_active = 0, secrets = '[]', headers = 'null',
		require_signature = 0, revision = revision + 1 WHERE id = ?`, micros(at), micros(at), id[:]); err != nil {
		return err
	}
	if err := w.noteChange(id, tenantNo); err != nil {
		return err
	}
	delete(w.living, id)
	if err := w.ensureRows(func(r implicitRow) bool { return r.subscription == id }); err != nil {
		return err
	}
	for _, rows := range []string{"lease_owner IS NULL", "lease_owner IS NOT NULL"} { // each has its partial index
		if _, err := w.conn.Exec(`UPDATE deliveries
			SET status = 3, settled_at = ?, lease_owner = NULL, leased_until = 0
			WHERE subscription_id = ? AND status = 0 AND `+rows, micros(at), id[:]); err != nil {
			return err
		}
	}
	return nil
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

// scanSubscription reads selectedSubscription, after columns that are read into before.
func scanSubscription(row scanner, before ...any) (event.Subscription, error) {
	var r subscriptionRow
	var text string
	var kept int64
	into := append(append(before, &text, &kept, &r.Tenant), subscriptionColumns(&r).Into()...)
	err := row.Scan(append(into, healthColumns(&r.Health).Into()...)...)
	if kept != 0 && kept != checksumOfText(text) {
		// The damaged row may contain anything. With Sealed and RequireSignature set, no event is
		// accepted and no request is sent.
		sub := r.Subscription
		sub.Sealed, sub.RequireSignature = damaged, true
		return sub, nil
	}
	if err != nil {
		return event.Subscription{}, err
	}
	return r.Decode()
}

// schedule returns the value of a retry schedule's column.
func schedule(us []int64) any {
	if us == nil {
		return nil
	}
	return store.JSON(us)
}
