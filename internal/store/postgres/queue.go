package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
)

// Record writes settlements. The fence is in the statement: a row that has moved
// on is left alone, and the attempt is kept all the same.
func (s *Store) Record(ctx context.Context, settlements []event.Settlement) error {
	if len(settlements) == 0 {
		return nil
	}
	for i := range settlements {
		if settlements[i].DisableReason != "" {
			return s.recordDisabling(ctx, settlements)
		}
	}
	for part := range slices.Chunk(settlements, commitRows) {
		if err := s.writer.write(ctx, &op{settlements: part}); err != nil {
			return err
		}
	}
	return nil
}

// Statements that know their rows by id say "status < 1" instead of "status = 0", so
// that no plan can take a way through the partial indexes instead of by the ids; and
// they name all ids once more for the table itself, so that partitions without any
// are not looked into. In braces stand the tables whose partition they name; see
// nameTables.
const settleSQL = `UPDATE {deliveries} d SET status = u.status, attempts = u.attempts, due_at = u.due_at,
		lease_owner = NULL, leased_until = NULL, settled_at = u.settled_at
	FROM unnest($1::uuid[], $2::int2[], $3::int4[], $4::timestamptz[], $5::timestamptz[], $6::int4[])
		AS u (id, status, attempts, due_at, settled_at, number)
	WHERE d.id = ANY($1::uuid[]) AND d.id = u.id AND d.status < 1 AND d.attempts = u.number - 1`

const attemptSQL = `INSERT INTO {delivery_attempts} (delivery_id, id, subscription_id, started_at, duration_us,
		dns_us, connect_us, tls_us, first_byte_us, attempt_number, status_code, peer, code, error, response)
	SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::int8[], $6::int4[], $7::int4[],
		$8::int4[], $9::int4[], $10::int4[], $11::int4[], $12::text[], $13::text[], $14::text[], $15::bytea[])
	ON CONFLICT DO NOTHING`

// settle queues settlements. Those of one delivery go one after the other; all
// else goes together, in the order of the ids, so that no two transactions wait
// for each other.
func (t *transaction) settle(all []*event.Settlement) {
	for len(all) > 0 {
		var later []*event.Settlement
		seen := make(map[event.ID]bool, len(all))
		all = slices.DeleteFunc(all, func(s *event.Settlement) bool {
			again := seen[s.Delivery.ID]
			seen[s.Delivery.ID] = true
			if again {
				later = append(later, s)
			}
			return again
		})
		slices.SortFunc(all, func(a, b *event.Settlement) int {
			return slices.Compare(a.Delivery.ID[:], b.Delivery.ID[:])
		})
		t.settleDeliveries(all)
		t.insertAttempts(all)
		all = later
	}
}

func (t *transaction) settleDeliveries(list []*event.Settlement) *pgx.QueuedQuery {
	n := len(list)
	id, status, attempts := make(ids, n), make(shorts, n), make(ints, n)
	due, settled, number := make(times, n), make(maybes, n), make(ints, n)
	for i, s := range list {
		d := &s.Delivery
		id[i], status[i], attempts[i] = d.ID, int16(d.Status), int32(d.Attempts)
		due[i], settled[i], number[i] = t.clock.toDatabase(d.DueAt), d.SettledAt, int32(s.Attempt.Number)
	}
	return t.next.Queue(t.in.settle, id, status, attempts, due, settled, number)
}

func (t *transaction) insertAttempts(list []*event.Settlement) *pgx.QueuedQuery {
	n := len(list)
	delivery, id, subscription, started, took := make(ids, n), make(ids, n), make(ids, n), make(times, n), make(longs, n)
	dns, connect, tls, firstByte := make(ints, n), make(ints, n), make(ints, n), make(ints, n)
	number, status := make(ints, n), make(ints, n)
	peer, code, text, response := make(texts, n), make(texts, n), make(texts, n), make(blobs, n)
	for i, s := range list {
		a, o := &s.Attempt, &s.Attempt.Outcome
		delivery[i], id[i], subscription[i] = a.DeliveryID, a.ID, a.SubscriptionID
		started[i], took[i], number[i], status[i] = o.StartedAt, o.Duration.Microseconds(), int32(a.Number), int32(o.StatusCode)
		dns[i], connect[i] = micros(o.Phases.DNS), micros(o.Phases.Connect)
		tls[i], firstByte[i] = micros(o.Phases.TLS), micros(o.Phases.FirstByte)
		peer[i], code[i], text[i], response[i] = clean(o.Peer), clean(string(o.Code)), clean(o.Error), o.Response
	}
	return t.next.Queue(t.in.attempt, delivery, id, subscription, started, took,
		dns, connect, tls, firstByte, number, status, peer, code, text, response)
}

// recordDisabling writes settlements of which some make their subscription
// inactive, which is rare: each by itself, in one transaction that holds the
// subscriptions first, as a deletion does.
func (s *Store) recordDisabling(ctx context.Context, settlements []event.Settlement) error {
	var subscriptions ids
	for i := range settlements {
		if settlements[i].DisableReason != "" {
			subscriptions = append(subscriptions, settlements[i].Attempt.SubscriptionID)
		}
	}
	if err := s.ensureWindows(ctx, windowsOf([]*op{{settlements: settlements}})); err != nil {
		return fail("make partitions", err)
	}
	return s.inTx(ctx, quick, "record attempts", func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM subscriptions WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`, subscriptions); err != nil {
			return err
		}
		for i := range settlements {
			if err := s.recordOne(ctx, tx, &settlements[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) recordOne(ctx context.Context, tx pgx.Tx, one *event.Settlement) error {
	t := &transaction{conn: tx.Conn(), clock: s.clock, next: &pgx.Batch{}, in: everywhere}
	t.settleDeliveries([]*event.Settlement{one})
	if err := t.flush(ctx); err != nil {
		return err
	}
	q := t.insertAttempts([]*event.Settlement{one})
	inserted, err := tx.Exec(ctx, q.SQL, q.Arguments...)
	if err != nil || one.DisableReason == "" || inserted.RowsAffected() == 0 {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE subscriptions SET is_active = false, disabled_reason = $1, updated_at = $2, inactive_since = $2
		WHERE id = $3 AND is_active AND deleted_at IS NULL`, clean(one.DisableReason), one.Attempt.Outcome.StartedAt, uuid(one.Attempt.SubscriptionID))
	if err != nil {
		return err
	}
	return announceChange(ctx, tx, one.Attempt.SubscriptionID)
}

const (
	renewSQL = `UPDATE deliveries SET leased_until = $3
		WHERE id = ANY($1::uuid[]) AND status < 1 AND lease_owner = $2 RETURNING id`
	releaseSQL = `UPDATE deliveries SET lease_owner = NULL, leased_until = NULL
		WHERE id = ANY($1::uuid[]) AND status < 1 AND lease_owner = $2 RETURNING id`
)

// Renew moves the end of the owner's leases.
func (s *Store) Renew(ctx context.Context, owner string, list []event.ID, until time.Time) (lost []event.ID, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	held, err := s.touch(ctx, "renew leases", renewSQL, sorted(list), owner, s.clock.toDatabase(until))
	if err != nil {
		return nil, err
	}
	kept := make(map[event.ID]bool, len(held))
	for _, id := range held {
		kept[id] = true
	}
	for _, id := range list {
		if !kept[id] {
			lost = append(lost, id)
		}
	}
	return lost, nil
}

// Release ends the owner's leases without an attempt.
func (s *Store) Release(ctx context.Context, owner string, list []event.ID) error {
	if len(list) == 0 {
		return nil
	}
	released, err := s.touch(ctx, "release leases", releaseSQL, sorted(list), owner)
	s.hints.hintDue(len(released) > 0)
	return err
}

// rescueMost is how many leases one statement ends.
const rescueMost = 5000

const rescueSQL = `WITH ended AS MATERIALIZED (
		SELECT id FROM deliveries WHERE status = 0 AND lease_owner IS NOT NULL AND leased_until < $1
		LIMIT $2 FOR UPDATE SKIP LOCKED)
	UPDATE deliveries SET lease_owner = NULL, leased_until = NULL WHERE id = ANY(ARRAY(SELECT id FROM ended)) RETURNING id`

// Rescue ends leases that ran out. One that is being settled at this moment is
// passed over.
func (s *Store) Rescue(ctx context.Context, now time.Time) (int, error) {
	now = s.clock.toDatabase(now)
	sum := 0
	for {
		ended, err := s.touch(ctx, "end leases that ran out", rescueSQL, now, rescueMost)
		sum += len(ended)
		if err != nil || len(ended) < rescueMost {
			s.hints.hintDue(sum > 0)
			return sum, err
		}
	}
}

// touch changes leases and returns whose.
func (s *Store) touch(ctx context.Context, what, sql string, args ...any) ([]event.ID, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	var touched []event.ID
	err := again(ctx, func() error {
		rows, err := s.pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		touched, err = collectIDs(rows)
		return err
	})
	return touched, fail(what, err)
}

func sorted(list []event.ID) ids {
	return slices.SortedFunc(slices.Values(list), func(a, b event.ID) int { return slices.Compare(a[:], b[:]) })
}

// inTx runs f in a transaction, again if it lost against another one.
func (s *Store) inTx(ctx context.Context, limit time.Duration, what string, f func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return fail(what, again(ctx, func() error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return f(ctx, tx) })
	}))
}
