package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// statements are the writer's own, prepared once on its connection.
type statements struct {
	commands []*command
	queries  []*sql.Stmt

	begin, commit, rollback        *command
	insertEvent, insertDelivery    *command
	insertKey                      *command
	settle, insertAttempt, disable *command
	lease, renew, release          *command
	rescue, endAll                 *command

	findKey, isActive      *sql.Stmt
	dueAll, dueOf, nextDue *sql.Stmt
	nextWaiting, claimed   *sql.Stmt
}

// command is a statement that changes the file. It goes to the driver directly: what database/sql
// adds, locks, retries and copies, is of no use to a connection that one goroutine has for itself,
// and is 3 % of a delivery's CPU.
type command struct {
	stmt driver.Stmt
	args []driver.NamedValue
}

// Exec runs it with values as the driver takes them: int64, string, []byte or nil.
func (c *command) Exec(values ...driver.Value) (driver.Result, error) {
	args := c.args[:0]
	for i, v := range values {
		args = append(args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	r, err := c.stmt.(driver.StmtExecContext).ExecContext(context.Background(), args)
	clear(args) // payloads are not to be kept
	c.args = args
	return r, err
}

func (s *statements) prepare(ctx context.Context, conn *sql.Conn) error {
	if err := conn.Raw(func(c any) error { return s.prepareCommands(ctx, c.(driver.ConnPrepareContext)) }); err != nil {
		return err
	}
	return s.prepareQueries(ctx, conn)
}

func (s *statements) prepareCommands(ctx context.Context, conn driver.ConnPrepareContext) error {
	for _, p := range []struct {
		to  **command
		sql string
	}{
		{&s.begin, `BEGIN IMMEDIATE`},
		{&s.commit, `COMMIT`},
		{&s.rollback, `ROLLBACK`},
		{&s.insertEvent, `INSERT INTO events (id, type, content_type, payload, created_at) VALUES (?, ?, ?, ?, ?)`},
		{&s.insertDelivery, `INSERT INTO deliveries (id, event_id, subscription_id, status, attempts, due_at,
			lease_owner, leased_until, created_at, settled_at)
			SELECT ?, ?, ?3, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM subscriptions WHERE id = ?3 AND deleted_at = 0)`}, // a deletion may have come in between
		{&s.insertKey, `INSERT INTO idempotency_keys (subscription_id, key, body_hash, event_id, delivery_id, created_at)
			VALUES (?, ?, ?, ?, ?, ?)`},
		{&s.settle, `UPDATE deliveries SET status = ?, attempts = ?, due_at = ?, lease_owner = NULL, leased_until = 0, settled_at = ?
			WHERE id = ? AND status = 0 AND attempts = ?`},
		{&s.insertAttempt, `INSERT INTO delivery_attempts (delivery_id, id, subscription_id, attempt_number, started_at,
			duration_us, dns_us, connect_us, tls_us, first_byte_us, peer, status_code, code, error, response)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&s.disable, `UPDATE subscriptions SET is_active = 0, disabled_reason = ?1, updated_at = ?2, inactive_since = ?2
			WHERE id = ?3 AND is_active = 1 AND deleted_at = 0`},
		{&s.lease, `UPDATE deliveries SET lease_owner = ?, leased_until = ? WHERE id = ?`},
		{&s.renew, `UPDATE deliveries SET leased_until = ? WHERE id = ? AND status = 0 AND lease_owner = ?`},
		{&s.release, `UPDATE deliveries SET lease_owner = NULL, leased_until = 0 WHERE id = ? AND status = 0 AND lease_owner = ?`},
		{&s.rescue, `UPDATE deliveries SET lease_owner = NULL, leased_until = 0
			WHERE status = 0 AND lease_owner IS NOT NULL AND leased_until < ?`},
		{&s.endAll, `UPDATE deliveries SET lease_owner = NULL, leased_until = 0 WHERE status = 0 AND lease_owner IS NOT NULL`},
	} {
		stmt, err := conn.PrepareContext(ctx, p.sql)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", p.sql, err)
		}
		*p.to = &command{stmt: stmt}
		s.commands = append(s.commands, *p.to)
	}
	return nil
}

func (s *statements) prepareQueries(ctx context.Context, conn *sql.Conn) error {
	for _, p := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&s.findKey, `SELECT body_hash, event_id, delivery_id FROM idempotency_keys WHERE subscription_id = ? AND key = ?`},
		{&s.dueAll, `SELECT id, subscription_id FROM deliveries
			WHERE status = 0 AND lease_owner IS NULL AND due_at <= ? ORDER BY due_at LIMIT ?`},
		{&s.dueOf, `SELECT id FROM deliveries
			WHERE status = 0 AND lease_owner IS NULL AND subscription_id = ? AND due_at <= ? ORDER BY due_at, id LIMIT ? OFFSET ?`},
		{&s.nextDue, `SELECT coalesce(min(due_at), 0) FROM deliveries WHERE status = 0 AND lease_owner IS NULL AND due_at > ?`},
		{&s.nextWaiting, `SELECT subscription_id FROM deliveries
			WHERE status = 0 AND lease_owner IS NULL AND subscription_id > ? ORDER BY subscription_id LIMIT 1`},
		{&s.isActive, `SELECT is_active FROM subscriptions WHERE id = ?`},
		{&s.claimed, `SELECT d.event_id, d.subscription_id, d.attempts, d.due_at, d.created_at,
			e.type, e.content_type, e.payload, e.created_at
			FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.id = ?`},
	} {
		stmt, err := conn.PrepareContext(ctx, p.sql)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", p.sql, err)
		}
		*p.to = stmt
		s.queries = append(s.queries, stmt)
	}
	return nil
}

// close lets go of them: SQLite keeps the connection, and the file open, as long as
// one is left, and then the log is not written back when the last one closes.
func (s *statements) close() {
	for _, c := range s.commands {
		c.stmt.Close()
	}
	for _, stmt := range s.queries {
		stmt.Close()
	}
}
