package sqlite

import "github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"

// statements are the writer's statements, prepared once on its connection. Those that are rarely
// needed are prepared where they are used.
type statements struct {
	insertEvent, insertDelivery    *rawsqlite.Insert
	insertPublished, insertAttempt *rawsqlite.Insert

	begin, commit, rollback      *rawsqlite.Stmt
	insertKey, settle            *rawsqlite.Stmt
	lease, renew, release        *rawsqlite.Stmt
	rescue, endAll, advanceFiled *rawsqlite.Stmt

	findKey                *rawsqlite.Stmt
	gate, isLiving         *rawsqlite.Stmt
	dueAll, dueOf, nextDue *rawsqlite.Stmt
	nextWaiting, claimed   *rawsqlite.Stmt
	nextParked, park       *rawsqlite.Stmt

	findEventKey, insertEventKey, tenantNow *rawsqlite.Stmt
}

// eventColumns are the columns of an event that is ingested for one subscription of the default
// tenant. The other columns have their defaults then.
const eventColumns = `seq, id, delivery_id, subscription_id, type, content_type, payload, created_at,
	lease_owner, leased_until, delivery_count, data_at, data_len, checksum`

func (s *statements) prepare(c *rawsqlite.Conn) error {
	for _, p := range []struct {
		to      **rawsqlite.Insert
		into    string
		columns int
		suffix  string
	}{
		{&s.insertEvent, `events (` + eventColumns + `)`, 14, ``},
		{&s.insertPublished, `events (` + eventColumns + `, tenant_no, metadata, idempotency_key, retry)`, 18, ``},
		{&s.insertDelivery, `deliveries (id, event_seq, subscription_id, status, attempts, due_at,
			lease_owner, leased_until, created_at, settled_at)`, 10, ``},
		{&s.insertAttempt, `delivery_attempts (` + attemptNames + `)`, 15, `ON CONFLICT DO NOTHING`},
	} {
		var err error
		if *p.to, err = c.PrepareInsert(p.into, p.columns, p.suffix); err != nil {
			return err
		}
	}
	for _, p := range []struct {
		to  **rawsqlite.Stmt
		sql string
	}{
		{&s.begin, `BEGIN IMMEDIATE`},
		{&s.commit, `COMMIT`},
		{&s.rollback, `ROLLBACK`},
		{&s.insertKey, `INSERT INTO idempotency_keys (subscription_id, key, body_hash, event_id, delivery_id, created_at)
			VALUES (?, ?, ?, ?, ?, ?)`},
		{&s.settle, `UPDATE deliveries SET status = ?, attempts = ?, due_at = ?, lease_owner = NULL, leased_until = 0, settled_at = ?, round_from = ?
			WHERE id = ? AND status = 0 AND attempts = ? AND round = ? AND stray = ?`},
		{&s.lease, `UPDATE deliveries SET lease_owner = ?, leased_until = ? WHERE id = ?`},
		{&s.renew, `UPDATE deliveries SET leased_until = ? WHERE id = ? AND status = 0 AND lease_owner = ?`},
		{&s.release, `UPDATE deliveries SET lease_owner = NULL, leased_until = 0 WHERE id = ? AND status = 0 AND lease_owner = ?`},
		{&s.rescue, `UPDATE deliveries SET lease_owner = NULL, leased_until = 0
			WHERE status = 0 AND lease_owner IS NOT NULL AND leased_until >= ? AND leased_until < ?`},
		{&s.endAll, `UPDATE deliveries SET lease_owner = NULL, leased_until = 0 WHERE status = 0 AND lease_owner IS NOT NULL AND lease_owner <> 'parked'`},
		{&s.advanceFiled, `UPDATE filed SET seq = ?`},
		{&s.findKey, `SELECT body_hash, event_id, delivery_id FROM idempotency_keys WHERE subscription_id = ? AND key = ?`},
		{&s.findEventKey, `SELECT body_hash, event_id, deliveries, refused FROM event_keys WHERE tenant_no = ? AND key = ?`},
		{&s.insertEventKey, `INSERT INTO event_keys (tenant_no, key, body_hash, event_id, deliveries, refused, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)`},
		{&s.tenantNow, `SELECT version, deleted_at <> 0 FROM tenants WHERE no = ?`},
		{&s.dueAll, `SELECT id, subscription_id, due_at FROM deliveries
			WHERE status = 0 AND lease_owner IS NULL AND due_at <= ? ORDER BY due_at LIMIT ?`},
		{&s.dueOf, `SELECT id FROM deliveries
			WHERE status = 0 AND lease_owner IS NULL AND subscription_id = ? AND due_at <= ? ORDER BY due_at, id LIMIT ? OFFSET ?`},
		{&s.nextDue, `SELECT coalesce(min(due_at), 0) FROM deliveries WHERE status = 0 AND lease_owner IS NULL AND due_at > ?`},
		{&s.nextWaiting, `SELECT subscription_id FROM deliveries
			WHERE status = 0 AND lease_owner IS NULL AND subscription_id > ? ORDER BY subscription_id LIMIT 1`},
		{&s.park, `UPDATE deliveries SET lease_owner = ?, leased_until = ? WHERE id IN (SELECT id FROM deliveries
			WHERE status = 0 AND lease_owner IS NULL AND subscription_id = ? AND due_at > ? AND due_at <= ? ORDER BY due_at, id LIMIT ?)`},
		{&s.nextParked, `SELECT subscription_id FROM deliveries
			WHERE status = 0 AND lease_owner = 'parked' AND subscription_id > ? ORDER BY subscription_id LIMIT 1`},
		{&s.gate, `SELECT is_active AND deleted_at = 0, paused_at <> 0, ` + selectedHealth + ` FROM ` + withHealth + ` WHERE id = ?`},
		{&s.isLiving, `SELECT deleted_at = 0 FROM subscriptions WHERE id = ?`},
		{&s.claimed, `SELECT e.id, d.subscription_id, d.attempts, d.due_at, d.created_at, d.delivered_at, d.round, d.round_from, d.stray,
			e.type, e.content_type, e.payload, e.created_at, e.tenant_no, e.retry, e.data_at, e.data_len, e.checksum
			FROM deliveries d JOIN events e ON e.seq = d.event_seq WHERE d.id = ?`},
	} {
		var err error
		if *p.to, err = c.Prepare(p.sql); err != nil {
			return err
		}
	}
	return nil
}
