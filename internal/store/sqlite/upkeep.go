package sqlite

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// Expire deletes some of what has expired. Call it until it returns 0.
func (s *Store) Expire(ctx context.Context, before, now time.Time, limit int) (int, error) {
	return s.update(ctx, func(w *writer) (int64, error) {
		n, err := w.expireDeliveries(before, limit)
		if err != nil || n > 0 {
			return n, err
		}
		if n, err = w.cancelForgotten(before, now, limit); err != nil || n > 0 {
			return n, err
		}
		return n, w.expireRest(before)
	})
}

func (w *writer) expireDeliveries(before time.Time, limit int) (int64, error) {
	floor := event.FloorID(before) // a delivery that settled before then was also accepted before then
	old, err := w.settledBefore(floor, before, limit)
	if err != nil {
		return 0, err
	}
	for _, d := range old {
		if err := w.expire(d); err != nil {
			return 0, err
		}
	}
	if len(old) > 0 {
		return int64(len(old)), nil
	}
	return w.conn.Exec(`DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE delivery_count = 0 AND id < ? ORDER BY id LIMIT ?)`, floor[:], limit)
}

// expire deletes a delivery, and its event if it has no other delivery.
func (w *writer) expire(d settled) error {
	first, last := d.id.Deliveries()
	earliest, latest := event.FloorID(d.id.Time()), event.FloorID(d.id.Time().Add(time.Millisecond))
	for _, del := range []struct {
		sql    string
		values []any
	}{
		{`DELETE FROM delivery_attempts WHERE delivery_id = ?`, []any{d.id[:]}},
		{`DELETE FROM deliveries WHERE id = ?`, []any{d.id[:]}},
		{deleteEmptyEvent, []any{d.seq, first[:], last[:], earliest[:], latest[:]}},
	} {
		if _, err := w.conn.Exec(del.sql, del.values...); err != nil {
			return err
		}
	}
	return nil
}

// deleteEmptyEvent deletes an event if there is no other delivery in the range of ids that are
// derived from the event's id. A delivery of release 0.1.0 may have any id of the event's
// millisecond.
const deleteEmptyEvent = `DELETE FROM events AS e WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries d
	WHERE d.id >= CASE WHEN e.delivery_count < 0 THEN ?4 ELSE ?2 END
	AND d.id <= CASE WHEN e.delivery_count < 0 THEN ?5 ELSE ?3 END AND d.event_seq = ?1)`

// settled is a settled delivery and its event.
type settled struct {
	id  event.ID
	seq int64
}

func (w *writer) settledBefore(floor event.ID, before time.Time, limit int) (list []settled, err error) {
	s, err := w.conn.Prepare(`SELECT id, event_seq FROM deliveries WHERE id < ? AND status <> 0 AND settled_at < ? ORDER BY id LIMIT ?`)
	if err != nil {
		return nil, err
	}
	rows := s.Query(rawsqlite.Blob(floor[:]), rawsqlite.Int(micros(before)), rawsqlite.Int(int64(limit)))
	defer rows.Close()
	for rows.Next() {
		var d settled
		if err := rows.Scan(idScan{&d.id}, &d.seq); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, rows.Err()
}

// cancelForgotten cancels deliveries that have waited for an inactive or paused subscription for
// longer than the retention.
func (w *writer) cancelForgotten(before, now time.Time, limit int) (n int64, err error) {
	floor := event.FloorID(before)
	for _, rows := range []string{"lease_owner IS NULL", "lease_owner = 'parked'"} { // each has its partial index
		n, err = w.conn.Exec(`UPDATE deliveries SET status = 3, settled_at = ?1, lease_owner = NULL, leased_until = 0 WHERE id IN (
			SELECT d.id FROM subscriptions s JOIN deliveries d ON d.subscription_id = s.id
			WHERE (s.is_active = 0 AND s.inactive_since < ?2 OR s.paused_at > 0 AND s.paused_at < ?2)
			AND d.status = 0 AND d.`+rows+` AND d.due_at < ?2 AND d.id < ?3 LIMIT ?4)`,
			micros(now), micros(before), floor[:], limit)
		if err != nil || n > 0 {
			return n, err
		}
	}
	return 0, nil
}

// expireRest deletes expired idempotency keys, and deleted subscriptions and tenants without history.
// All are few.
func (w *writer) expireRest(before time.Time) error {
	for _, query := range []string{
		`DELETE FROM idempotency_keys WHERE created_at < ?`,
		`DELETE FROM event_keys WHERE created_at < ?`,
		`DELETE FROM subscriptions WHERE deleted_at > 0 AND deleted_at < ?
			AND NOT EXISTS (SELECT 1 FROM delivery_attempts a WHERE a.subscription_id = subscriptions.id)`,
		deleteEmptyTenants,
	} {
		if _, err := w.conn.Exec(query, micros(before)); err != nil {
			return err
		}
	}
	_, err := w.conn.Exec(`DELETE FROM subscription_health WHERE NOT EXISTS (SELECT 1 FROM subscriptions WHERE id = subscription_id)`)
	return err
}

// deleteEmptyTenants deletes deleted tenants of which nothing is left.
const deleteEmptyTenants = `DELETE FROM tenants WHERE deleted_at > 0 AND deleted_at < ?
	AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.tenant_no = tenants.no)
	AND NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_no <> 0 AND e.tenant_no = tenants.no)
	AND NOT EXISTS (SELECT 1 FROM event_keys k WHERE k.tenant_no = tenants.no)
	AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.tenant_no = tenants.no)`

// update is like write, for an f that returns how many rows it has changed.
func (s *Store) update(ctx context.Context, f func(*writer) (int64, error)) (int, error) {
	var n int64
	err := s.write(ctx, 1, func(w *writer) (err error) {
		n, err = f(w)
		return err
	})
	return int(n), err
}
