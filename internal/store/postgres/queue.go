package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hookferry/hookferry/internal/event"
)

// Record writes settlements. The statement contains the fence. Settlements that do not pass it
// are written afterwards, by recordStrays.
func (s *Store) Record(ctx context.Context, settlements []event.Settlement) error {
	if len(settlements) == 0 {
		return nil
	}
	plain, others := settlements, []event.Settlement(nil)
	if slices.ContainsFunc(settlements, changesMore) {
		plain = slices.DeleteFunc(slices.Clone(settlements), changesMore)
		others = slices.DeleteFunc(slices.Clone(settlements), func(s event.Settlement) bool { return !changesMore(s) })
	}
	for part := range slices.Chunk(plain, commitRows) {
		if err := s.writer.write(ctx, &op{settlements: part}); err != nil {
			return err
		}
	}
	if len(others) > 0 {
		return s.recordChanging(ctx, others)
	}
	return nil
}

// changesMore reports whether a settlement changes more than settleSQL writes.
func changesMore(s event.Settlement) bool {
	return s.DisableReason != "" || s.Health.Kind != event.HealthUnchanged || s.Attempt.Outcome.Refused()
}

// Statements that find their rows by id use "status < 1" instead of "status = 0", so that
// no plan can use the partial indexes instead of the ids. They repeat all ids as a condition
// on the table, so that partitions without any of them are not searched.
//
// manyRows has one row, but PostgreSQL expects many. It is joined to an unnest, for which
// PostgreSQL would otherwise expect ten rows. For ten rows it may choose a nested loop, which
// takes 65,536 steps for 256 rows.
const manyRows = `CROSS JOIN generate_series(1, least(1, cardinality($1::uuid[]))) OFFSET 0`

// settleSQL writes the settlements that pass the fence, and their attempts. A settlement does not
// pass if a stray attempt was recorded for the delivery since it was claimed, because its own
// attempt then needs another number.
const settleSQL = `WITH passed AS (
		UPDATE {deliveries} d SET status = u.status, attempts = u.attempts, due_at = u.due_at,
			lease_owner = NULL, leased_until = NULL, settled_at = u.settled_at
		FROM (SELECT u.* FROM unnest($1::uuid[], $16::int2[], $10::int4[], $17::timestamptz[], $18::timestamptz[], $19::int4[], $20::int4[])
			AS u (id, status, attempts, due_at, settled_at, round, stray) ` + manyRows + `) AS u
		WHERE d.id = ANY($1::uuid[]) AND d.id = u.id AND d.status < 1
			AND d.attempts = u.attempts - 1 AND d.round = u.round AND d.stray = u.stray
		RETURNING d.id)
	INSERT INTO {delivery_attempts} (` + attemptNames + `)
	SELECT a.* FROM ` + attemptArrays + ` AS a (` + attemptNames + `) WHERE a.delivery_id IN (SELECT id FROM passed)`

const (
	attemptArrays = `unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::int8[], $6::int4[], $7::int4[],
		$8::int4[], $9::int4[], $10::int4[], $11::int4[], $12::text[], $13::text[], $14::text[], $15::bytea[])`
	attemptSQL = `INSERT INTO {delivery_attempts} (` + attemptNames + `) SELECT * FROM ` + attemptArrays
)

// settle queues settlements. Several settlements of one delivery are written one after the other.
// All others are written together, in the order of the ids, so that no two transactions wait for
// each other.
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
		t.settleTogether(all)
		all = later
	}
}

func (t *transaction) settleTogether(list []*event.Settlement) {
	n := len(list)
	status, due, settled, round, stray := make(shorts, n), make(times, n), make(nullTimes, n), make(ints, n), make(ints, n)
	for i, s := range list {
		d := &s.Delivery
		status[i], due[i], settled[i] = int16(d.Status), t.clock.toDatabase(d.DueAt), d.SettledAt
		round[i], stray[i] = int32(d.Round), int32(d.Stray)
	}
	t.next.Queue(t.in.settle, append(attemptColumnsOf(list), status, due, settled, round, stray)...).Exec(func(tag pgconn.CommandTag) error {
		t.strays = t.strays || int(tag.RowsAffected()) < n
		return nil
	})
}

func attemptColumnsOf(list []*event.Settlement) []any {
	n := len(list)
	delivery, id, subscription, started, took := make(ids, n), make(ids, n), make(ids, n), make(times, n), make(longs, n)
	dns, connect, tls, firstByte := make(ints, n), make(ints, n), make(ints, n), make(ints, n)
	number, status := make(ints, n), make(ints, n)
	peer, code, text, response := make(texts, n), make(texts, n), make(texts, n), make(blobs, n)
	for i, s := range list {
		a, o := &s.Attempt, &s.Attempt.Outcome
		delivery[i], id[i], subscription[i] = a.DeliveryID, a.ID, a.SubscriptionID
		started[i], took[i], number[i], status[i] = o.StartedAt, o.Duration.Microseconds(), int32(s.Delivery.Attempts), int32(o.StatusCode)
		dns[i], connect[i] = micros(o.Phases.DNS), micros(o.Phases.Connect)
		tls[i], firstByte[i] = micros(o.Phases.TLS), micros(o.Phases.FirstByte)
		peer[i], code[i], text[i], response[i] = clean(o.Peer), clean(string(o.Code)), clean(o.Error), o.Response
	}
	return []any{
		delivery, id, subscription, started, took,
		dns, connect, tls, firstByte, number, status, peer, code, text, response,
	}
}

// recordChanging writes settlements that change their subscription or its endpoint's health. There
// are few of them. It writes them one by one, in one transaction that locks the subscriptions and their
// tenants first, as a deletion does.
func (s *Store) recordChanging(ctx context.Context, settlements []event.Settlement) error {
	var subscriptions, disabled []event.ID
	for i := range settlements {
		subscriptions = append(subscriptions, settlements[i].Attempt.SubscriptionID)
		if settlements[i].DisableReason != "" {
			disabled = append(disabled, settlements[i].Attempt.SubscriptionID)
		}
	}
	if err := s.ensureWindows(ctx, windowsOf([]*op{{settlements: settlements}})); err != nil {
		return fail("create partitions", err)
	}
	return s.inTx(ctx, quick, "record attempts", func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM subscriptions WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`, sorted(subscriptions)); err != nil {
			return err
		}
		if len(disabled) > 0 {
			if err := lockTenantsOf(ctx, tx, disabled); err != nil {
				return err
			}
		}
		return s.recordEach(ctx, tx, settlements)
	})
}

// recordEach writes settlements one by one, those of one delivery in their order. It first locks
// all deliveries in the order of their ids, as settle does, and touches windows after that, as move
// does. So no two transactions wait for each other.
func (s *Store) recordEach(ctx context.Context, tx pgx.Tx, settlements []event.Settlement) error {
	deliveries := make([]event.ID, len(settlements))
	for i := range settlements {
		deliveries[i] = settlements[i].Delivery.ID
	}
	if _, err := tx.Exec(ctx, lockDeliveriesSQL, sorted(deliveries)); err != nil {
		return err
	}
	inOrder := slices.Clone(settlements)
	slices.SortStableFunc(inOrder, func(a, b event.Settlement) int { return slices.Compare(a.Delivery.ID[:], b.Delivery.ID[:]) })
	for i := range inOrder {
		if err := s.recordOne(ctx, tx, &inOrder[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) recordOne(ctx context.Context, tx pgx.Tx, one *event.Settlement) error {
	row, err := s.lockDelivery(ctx, tx, one.Delivery.ID)
	if errors.Is(err, event.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var known bool
	err = tx.QueryRow(ctx, recordedSQL, uuid(one.Attempt.DeliveryID), uuid(one.Attempt.ID)).Scan(&known)
	if err != nil || known {
		return err
	}
	after := event.Apply(row, *one)
	if err := s.writeDelivery(ctx, tx, after); err != nil {
		return err
	}
	written := *one
	written.Delivery = after
	if _, err := tx.Exec(ctx, everywhere.attempt, attemptColumnsOf([]*event.Settlement{&written})...); err != nil {
		return err
	}
	if one.Health.Kind != event.HealthUnchanged {
		if err := s.changeHealth(ctx, tx, one.Attempt.SubscriptionID, one.Health); err != nil {
			return err
		}
	}
	if one.DisableReason == "" {
		return nil
	}
	_, err = tx.Exec(ctx, `UPDATE subscriptions SET is_active = false, disabled_reason = $1, updated_at = $2, inactive_since = $2
		WHERE id = $3 AND is_active AND deleted_at IS NULL`, clean(one.DisableReason), one.Attempt.Outcome.StartedAt, uuid(one.Attempt.SubscriptionID))
	if err != nil {
		return err
	}
	return announceChange(ctx, tx, one.Attempt.SubscriptionID)
}

const recordedSQL = `SELECT EXISTS (SELECT FROM delivery_attempts WHERE delivery_id = $1 AND id = $2)`

const unrecordedSQL = `SELECT u.n FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS u (delivery_id, id, n)
	WHERE NOT EXISTS (SELECT FROM delivery_attempts a WHERE a.delivery_id = u.delivery_id AND a.id = u.id) ORDER BY u.n`

// recordStrays writes those settlements whose attempts are not on record yet, one by one.
func (s *Store) recordStrays(ctx context.Context, list []event.Settlement) error {
	delivery, id := make(ids, len(list)), make(ids, len(list))
	for i := range list {
		delivery[i], id[i] = list[i].Attempt.DeliveryID, list[i].Attempt.ID
	}
	return s.inTx(ctx, quick, "record stray attempts", func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, unrecordedSQL, delivery, id)
		if err != nil {
			return err
		}
		missing, err := pgx.CollectRows(rows, pgx.RowTo[int])
		if err != nil {
			return err
		}
		strays := make([]event.Settlement, len(missing))
		for i, n := range missing {
			strays[i] = list[n-1]
		}
		return s.recordEach(ctx, tx, strays)
	})
}

// renewSQL and releaseSQL change only those of the given leases that still exist. A delivery without
// a lease has no owner, and a later lease has another owner.
const (
	renewSQL = `UPDATE deliveries d SET leased_until = $3 FROM (SELECT u.* FROM unnest($1::uuid[], $2::text[]) AS u (id, owner) ` + manyRows + `) AS u
		WHERE d.id = ANY($1::uuid[]) AND d.id = u.id AND d.status < 1 AND d.lease_owner = u.owner RETURNING d.id, d.lease_owner`
	releaseSQL = `UPDATE deliveries d SET lease_owner = NULL, leased_until = NULL FROM (SELECT u.* FROM unnest($1::uuid[], $2::text[]) AS u (id, owner) ` + manyRows + `) AS u
		WHERE d.id = ANY($1::uuid[]) AND d.id = u.id AND d.status < 1 AND d.lease_owner = u.owner`
)

// Renew extends leases.
func (s *Store) Renew(ctx context.Context, leases []event.LeaseKey, until time.Time) (lost []event.LeaseKey, err error) {
	if len(leases) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	id, owner := leaseColumnsOf(leases)
	var renewed map[event.LeaseKey]bool
	err = retry(ctx, func() error {
		rows, err := s.pool.Query(ctx, renewSQL, id, owner, s.clock.toDatabase(until))
		if err != nil {
			return err
		}
		renewed, err = collectLeases(rows)
		return err
	})
	if err != nil {
		return nil, fail("renew leases", err)
	}
	return slices.DeleteFunc(slices.Clone(leases), func(l event.LeaseKey) bool { return renewed[l] }), nil
}

func collectLeases(rows pgx.Rows) (map[event.LeaseKey]bool, error) {
	found := make(map[event.LeaseKey]bool)
	var l event.LeaseKey
	_, err := pgx.ForEachRow(rows, []any{idTo(&l.Delivery), &l.Owner}, func() error {
		found[l] = true
		return nil
	})
	return found, err
}

// leaseColumnsOf returns the columns of leases in the order of the deliveries' ids, so that
// no two statements wait for each other.
func leaseColumnsOf(leases []event.LeaseKey) (ids, texts) {
	inOrder := slices.SortedFunc(slices.Values(leases), func(a, b event.LeaseKey) int { return slices.Compare(a.Delivery[:], b.Delivery[:]) })
	id, owner := make(ids, len(leases)), make(texts, len(leases))
	for i, l := range inOrder {
		id[i], owner[i] = l.Delivery, l.Owner
	}
	return id, owner
}

// Release ends leases without an attempt.
func (s *Store) Release(ctx context.Context, leases []event.LeaseKey) error {
	if len(leases) == 0 {
		return nil
	}
	id, owner := leaseColumnsOf(leases)
	released, err := s.endLeases(ctx, "release leases", releaseSQL, id, owner)
	s.hints.hintDue(released > 0)
	return err
}

// maxRescue is how many leases one statement ends at most.
const maxRescue = 5000

const rescueSQL = `WITH ended AS MATERIALIZED (
		SELECT id FROM deliveries WHERE status = 0 AND lease_owner IS NOT NULL AND leased_until >= $1 AND leased_until < $2
		LIMIT $3 FOR UPDATE SKIP LOCKED)
	UPDATE deliveries SET lease_owner = NULL, leased_until = NULL WHERE id = ANY(ARRAY(SELECT id FROM ended))`

// Rescue ends leases that ran out. It skips deliveries that are being settled at this moment.
func (s *Store) Rescue(ctx context.Context, from, now time.Time) (int, error) {
	if !from.IsZero() {
		from = s.clock.toDatabase(from)
	}
	now = s.clock.toDatabase(now)
	sum := 0
	for {
		ended, err := s.endLeases(ctx, "end leases that ran out", rescueSQL, from, now, maxRescue)
		sum += ended
		if err != nil || ended < maxRescue {
			s.hints.hintDue(sum > 0)
			return sum, err
		}
	}
}

// endLeases runs a statement that ends leases, and returns their number.
func (s *Store) endLeases(ctx context.Context, what, sql string, args ...any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	var ended int
	err := retry(ctx, func() error {
		tag, err := s.pool.Exec(ctx, sql, args...)
		ended = int(tag.RowsAffected())
		return err
	})
	return ended, fail(what, err)
}

func sorted(list []event.ID) ids {
	return slices.SortedFunc(slices.Values(list), func(a, b event.ID) int { return slices.Compare(a[:], b[:]) })
}

// inTx runs f in a transaction, and repeats it after a conflict with another one.
func (s *Store) inTx(ctx context.Context, limit time.Duration, what string, f func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return fail(what, retry(ctx, func() error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return f(ctx, tx) })
	}))
}
