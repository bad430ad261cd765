package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
)

// keysAtOnce is how many idempotency keys one step deletes.
const keysAtOnce = 5000

// Expire creates the next partitions, and then deletes some of what has expired. First it
// drops whole partitions, which costs almost nothing. Then it deletes single rows of
// partitions that must stay because of other rows.
//
// Ages are measured with the database's clock, because a node whose clock has leapt ahead
// by days must not delete what other nodes keep. The times in ids and in settled_at are
// those of the nodes that wrote them.
func (s *Store) Expire(ctx context.Context, before, now time.Time, limit int) (int, error) {
	if err := s.EnsurePartitions(ctx, s.clock.localTime()); err != nil {
		return 0, err
	}
	before = s.clock.toDatabase(before)
	if n, err := s.dropPartitions(ctx, before); err != nil || n > 0 {
		return n, fail("drop old partitions", err)
	}
	var n int
	err := s.inTx(ctx, slow, "delete expired deliveries", func(ctx context.Context, tx pgx.Tx) (err error) {
		if n, err = expireDeliveries(ctx, tx, before, limit); err != nil || n > 0 {
			return err
		}
		n, err = cancelForgotten(ctx, tx, before, now, limit)
		return err
	})
	if err != nil || n > 0 {
		return n, err
	}
	return 0, fail("delete expired idempotency keys and subscriptions", s.expireRest(ctx, before))
}

const (
	oldSQL = `SELECT id, event_id FROM deliveries WHERE id < $1 AND status <> 0 AND settled_at < $2 ORDER BY id LIMIT $3`
	// An event is deleted when no delivery is left in the range of ids that are derived from
	// its own. Deliveries of release 0.1.0 have any id of the event's millisecond.
	bareEventsSQL = `DELETE FROM events e USING unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[])
			AS u (id, first, last, earliest, latest)
		WHERE e.id = ANY($1::uuid[]) AND e.id = u.id AND NOT EXISTS (SELECT FROM deliveries d
			WHERE d.id >= CASE WHEN e.delivery_count < 0 THEN u.earliest ELSE u.first END
			AND d.id <= CASE WHEN e.delivery_count < 0 THEN u.latest ELSE u.last END AND d.event_id = u.id)`
	withoutSQL = `DELETE FROM events WHERE id = ANY(ARRAY(SELECT id FROM events WHERE delivery_count = 0 AND id < $1 ORDER BY id LIMIT $2))`
)

func expireDeliveries(ctx context.Context, tx pgx.Tx, before time.Time, limit int) (int, error) {
	// A delivery that settled before then was also accepted before then. Those accepted less
	// than wholeFor earlier are dropped with their partition.
	floor := event.FloorID(before.Add(-wholeFor))
	rows, err := tx.Query(ctx, oldSQL, uuid(floor), before, limit)
	if err != nil {
		return 0, err
	}
	var old, of ids
	var id, eventID event.ID
	_, err = pgx.ForEachRow(rows, []any{idTo(&id), idTo(&eventID)}, func() error {
		old, of = append(old, id), append(of, eventID)
		return nil
	})
	if err != nil {
		return 0, err
	}
	if len(old) == 0 {
		tag, err := tx.Exec(ctx, withoutSQL, uuid(floor), limit)
		return int(tag.RowsAffected()), err
	}
	b := &pgx.Batch{}
	b.Queue(`DELETE FROM delivery_attempts WHERE delivery_id = ANY($1::uuid[])`, old)
	b.Queue(`DELETE FROM deliveries WHERE id = ANY($1::uuid[])`, old)
	b.Queue(bareEventsSQL, rangesOf(of)...)
	return len(old), tx.SendBatch(ctx, b).Close()
}

// rangesOf returns the distinct events and the bounds of their deliveries' ids.
func rangesOf(of ids) []any {
	of = slices.Compact(sorted(of))
	n := len(of)
	first, last, earliest, latest := make(ids, n), make(ids, n), make(ids, n), make(ids, n)
	for i, id := range of {
		first[i], last[i] = id.Deliveries()
		earliest[i], latest[i] = event.FloorID(id.Time()), event.FloorID(id.Time().Add(time.Millisecond))
	}
	return []any{of, first, last, earliest, latest}
}

// forgottenSQL cancels deliveries of the subscriptions for which the condition is true. lease
// selects unleased or parked deliveries; each kind has its index.
func forgottenSQL(condition, lease string) string {
	return `UPDATE deliveries SET status = 3, settled_at = $1, lease_owner = NULL, leased_until = NULL WHERE id = ANY(ARRAY(
		SELECT d.id FROM subscriptions s CROSS JOIN LATERAL (
			SELECT id FROM deliveries WHERE subscription_id = s.id AND status = 0 AND due_at < $2 AND id < $3 AND lease_owner ` + lease + `
			LIMIT $4 FOR UPDATE SKIP LOCKED) AS d
		WHERE ` + condition + ` LIMIT $4))`
}

const (
	inactiveForLong = "NOT s.is_active AND s.inactive_since < $2"
	pausedForLong   = "s.paused_at < $2"
	unleased        = "IS NULL"
	isParked        = "= 'parked'"
)

var forgottenSQLs = []string{
	forgottenSQL(inactiveForLong, unleased),
	forgottenSQL(inactiveForLong, isParked),
	forgottenSQL(pausedForLong, unleased),
	forgottenSQL(pausedForLong, isParked),
}

// cancelForgotten cancels deliveries that have waited for an inactive or paused subscription for
// longer than the retention.
func cancelForgotten(ctx context.Context, tx pgx.Tx, before, now time.Time, limit int) (int, error) {
	floor := event.FloorID(before)
	for _, sql := range forgottenSQLs {
		tag, err := tx.Exec(ctx, sql, now, before, uuid(floor), limit)
		if err != nil || tag.RowsAffected() > 0 {
			return int(tag.RowsAffected()), err
		}
	}
	return 0, nil
}

// expireRest deletes expired idempotency keys, and deleted subscriptions whose history has expired.
func (s *Store) expireRest(ctx context.Context, before time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, slow)
	defer cancel()
	for _, table := range []string{"idempotency_keys", "event_keys"} {
		if err := s.expireKeys(ctx, expireKeysSQL(table), before); err != nil {
			return err
		}
	}
	for _, sql := range []string{
		`DELETE FROM subscriptions s WHERE deleted_at < $1 AND NOT EXISTS (SELECT FROM delivery_attempts a WHERE a.subscription_id = s.id)`,
		`DELETE FROM subscription_health h WHERE changed_at < $1 AND NOT EXISTS (SELECT FROM subscriptions s WHERE s.id = h.subscription_id)`,
	} {
		if _, err := s.pool.Exec(ctx, sql, before); err != nil {
			return err
		}
	}
	return nil
}

// expireKeysSQL deletes old rows of a table of idempotency keys.
func expireKeysSQL(table string) string {
	return `DELETE FROM ` + table + ` WHERE ctid = ANY(ARRAY(SELECT ctid FROM ` + table + ` WHERE created_at < $1 LIMIT $2))`
}

func (s *Store) expireKeys(ctx context.Context, sql string, before time.Time) error {
	for {
		tag, err := s.pool.Exec(ctx, sql, before, keysAtOnce)
		if err != nil || tag.RowsAffected() < keysAtOnce {
			return err
		}
	}
}
