package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
)

// keysAtOnce is how many idempotency keys one step deletes.
const keysAtOnce = 5000

// Expire makes the partitions of the days to come, and then deletes a step of what
// is old: first whole partitions, which costs next to nothing, then single rows of
// those that must stay for others' sake.
//
// What is old is old by the database's clock: a node whose clock has leapt ahead by
// days must not delete what the others keep. The times that this is compared with
// are those of the nodes that wrote them, in ids and in settled_at, and so is the
// time at which something is cancelled: each is off by no more than that node was.
func (s *Store) Expire(ctx context.Context, before, now time.Time, limit int) (int, error) {
	if err := s.EnsurePartitions(ctx, s.clock.here()); err != nil {
		return 0, err
	}
	before = s.clock.toDatabase(before)
	if n, err := s.dropPartitions(ctx, before); err != nil || n > 0 {
		return n, fail("drop old partitions", err)
	}
	var n int
	err := s.inTx(ctx, slow, "delete what is old", func(ctx context.Context, tx pgx.Tx) (err error) {
		if n, err = expireDeliveries(ctx, tx, before, limit); err != nil || n > 0 {
			return err
		}
		n, err = cancelForgotten(ctx, tx, before, now, limit)
		return err
	})
	if err != nil || n > 0 {
		return n, err
	}
	return 0, fail("delete old keys and subscriptions", s.expireRest(ctx, before))
}

const expireSQL = `WITH old AS MATERIALIZED (
		SELECT id, event_id FROM deliveries WHERE id < $1 AND status <> 0 AND settled_at < $2 ORDER BY id LIMIT $3),
	attempts AS (DELETE FROM delivery_attempts WHERE delivery_id = ANY(ARRAY(SELECT id FROM old))),
	bodies AS (DELETE FROM events WHERE id = ANY(ARRAY(SELECT event_id FROM old)))
	DELETE FROM deliveries WHERE id = ANY(ARRAY(SELECT id FROM old))`

func expireDeliveries(ctx context.Context, tx pgx.Tx, before time.Time, limit int) (int, error) {
	// What settled before then was made before then, and what was made shortly before
	// goes with its partition.
	floor := event.FloorID(before.Add(-stays))
	tag, err := tx.Exec(ctx, expireSQL, uuid(floor), before, limit)
	return int(tag.RowsAffected()), err
}

const forgottenSQL = `UPDATE deliveries SET status = 3, settled_at = $1 WHERE id = ANY(ARRAY(
		SELECT d.id FROM subscriptions s CROSS JOIN LATERAL (
			SELECT id FROM deliveries WHERE subscription_id = s.id AND status = 0 AND lease_owner IS NULL AND id < $3
			LIMIT $4 FOR UPDATE SKIP LOCKED) AS d
		WHERE NOT s.is_active AND s.inactive_since < $2 LIMIT $4))`

// cancelForgotten settles what has waited for an inactive subscription for longer
// than anything is kept.
func cancelForgotten(ctx context.Context, tx pgx.Tx, before, now time.Time, limit int) (int, error) {
	floor := event.FloorID(before)
	tag, err := tx.Exec(ctx, forgottenSQL, now, before, uuid(floor), limit)
	return int(tag.RowsAffected()), err
}

// expireRest deletes keys that no caller can expect to hold any more, and deleted
// subscriptions of which nothing is left, which are few.
func (s *Store) expireRest(ctx context.Context, before time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, slow)
	defer cancel()
	for {
		tag, err := s.pool.Exec(ctx, expireKeysSQL, before, keysAtOnce)
		if err != nil {
			return err
		}
		if tag.RowsAffected() < keysAtOnce {
			break
		}
	}
	_, err := s.pool.Exec(ctx, `DELETE FROM subscriptions s WHERE deleted_at < $1
		AND NOT EXISTS (SELECT FROM delivery_attempts a WHERE a.subscription_id = s.id)`, before)
	return err
}

const expireKeysSQL = `DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
	SELECT ctid FROM idempotency_keys WHERE created_at < $1 LIMIT $2))`
