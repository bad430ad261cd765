package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// healthColumns returns the columns of an endpoint's health, to read into h or to write h. The
// times are stored in the database's time, because all nodes compare them.
func healthColumns(h *event.Health) store.Columns {
	return store.Columns{
		{Name: "failing", Value: h.Failing, Into: nullTo[bool]{&h.Failing}},
		{Name: "failing_since", Value: nullTime(h.FailingSince), Into: timeTo{&h.FailingSince}},
		{Name: "not_before", Value: nullTime(h.NotBefore), Into: timeTo{&h.NotBefore}},
		{Name: "refused_since", Value: nullTime(h.RefusedSince), Into: timeTo{&h.RefusedSince}},
		{Name: "refused_at", Value: nullTime(h.RefusedAt), Into: timeTo{&h.RefusedAt}},
		{Name: "refusals", Value: h.Refusals, Into: nullTo[int]{&h.Refusals}},
		{Name: "changed_at", Value: nullTime(h.ChangedAt), Into: timeTo{&h.ChangedAt}},
	}
}

var healthNames = healthColumns(&event.Health{}).Names()

// healthIn converts all times of an endpoint's health.
func healthIn(h event.Health, by func(time.Time) time.Time) event.Health {
	for _, t := range []*time.Time{&h.FailingSince, &h.NotBefore, &h.RefusedSince, &h.RefusedAt, &h.ChangedAt} {
		if !t.IsZero() {
			*t = by(*t)
		}
	}
	return h
}

// gateOf returns a query for the gate of a subscription. The argument is an SQL expression for the
// subscription's id. LIMIT prevents a plan that joins all subscriptions.
func gateOf(subscription string) string {
	return `(SELECT s.is_active AND s.deleted_at IS NULL AS active, s.paused_at IS NOT NULL AS paused, ` + store.Qualified("h", healthNames) + `
		FROM subscriptions s LEFT JOIN subscription_health h ON h.subscription_id = s.id WHERE s.id = ` + subscription + ` LIMIT 1)`
}

// gateNames are the columns of gateOf, and gateTo reads them. If there is no subscription, they
// are NULL and the gate is closed.
var gateNames = `active, paused, ` + healthNames

func gateTo(g *event.Gate) []any {
	return append([]any{nullTo[bool]{&g.Active}, nullTo[bool]{&g.Paused}}, healthColumns(&g.Health).Into()...)
}

const (
	parkSQL = `UPDATE deliveries SET lease_owner = 'parked', leased_until = $2 WHERE id = ANY(ARRAY(
		SELECT id FROM deliveries WHERE id = ANY($1::uuid[]) AND status < 1 AND lease_owner IS NULL FOR UPDATE SKIP LOCKED))`
	parkOfSQL = `UPDATE deliveries SET lease_owner = 'parked', leased_until = $3 WHERE id = ANY(ARRAY(
		SELECT d.id FROM unnest($1::uuid[], $2::timestamptz[]) AS u (subscription_id, until) CROSS JOIN LATERAL (
			SELECT id FROM deliveries WHERE status = 0 AND lease_owner IS NULL AND subscription_id = u.subscription_id
			AND due_at > u.until AND due_at <= $4 ORDER BY due_at, id LIMIT $5 FOR UPDATE SKIP LOCKED) AS d LIMIT $5))`
	unparkSQL = `UPDATE deliveries SET lease_owner = NULL, leased_until = NULL WHERE id = ANY(ARRAY(
		SELECT id FROM deliveries WHERE status = 0 AND lease_owner = 'parked' AND subscription_id = $1 AND due_at <= $2
		ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED))`
)

// changeHealth applies a change of an endpoint's health. The caller has locked the subscription's
// row.
func (s *Store) changeHealth(ctx context.Context, tx pgx.Tx, subscription event.ID, c event.HealthChange) error {
	var g event.Gate
	err := tx.QueryRow(ctx, `SELECT `+gateNames+` FROM `+gateOf("$1")+` AS g`, uuid(subscription)).Scan(gateTo(&g)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	before := healthIn(g.Health, s.clock.toNode)
	after := before.After(c)
	if after == before {
		return nil
	}
	after = healthIn(after, s.clock.toDatabase)
	columns := healthColumns(&after)
	values := columns.Values(uuid(subscription))
	_, err = tx.Exec(ctx, writeHealthSQL, values...)
	if err != nil {
		return err
	}
	return announceChange(ctx, tx, subscription)
}

var writeHealthSQL = func() string {
	columns := healthColumns(&event.Health{})
	return `INSERT INTO subscription_health (` + columns.Names() + `, subscription_id) VALUES (` + columns.Parameters("$") + `, $8)
		ON CONFLICT (subscription_id) DO UPDATE SET ` + columns.Assignments("$")
}()

// walkParkedSQL goes from one subscription with parked deliveries to the next, with one index
// lookup for each, as walkSQL does.
var walkParkedSQL = `WITH RECURSIVE walk (subscription_id, n) AS (
		SELECT (SELECT subscription_id FROM deliveries WHERE status = 0 AND lease_owner = 'parked'
			AND subscription_id > $1 ORDER BY subscription_id, due_at, id LIMIT 1), 1
		UNION ALL
		SELECT (SELECT d.subscription_id FROM deliveries d WHERE d.status = 0 AND d.lease_owner = 'parked'
			AND d.subscription_id > walk.subscription_id ORDER BY d.subscription_id, d.due_at, d.id LIMIT 1), walk.n + 1
		FROM walk WHERE walk.subscription_id IS NOT NULL AND walk.n < $2)
	SELECT walk.subscription_id, ` + store.Qualified("g", gateNames) + `
	FROM walk LEFT JOIN LATERAL ` + gateOf("walk.subscription_id") + ` AS g ON true WHERE walk.subscription_id IS NOT NULL`

// unparkWalk is how many subscriptions are read at once.
const unparkWalk = 1024

// Unpark walks through the subscriptions with parked deliveries, from where the last call
// stopped.
func (s *Store) Unpark(ctx context.Context, now time.Time, limit int) (sum int, err error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	now = s.clock.toDatabase(now)
	s.mu.Lock()
	at := s.unparkCursor
	s.mu.Unlock()
	wrapped := at.IsZero()
	for {
		var n int
		n, at, err = s.unparkFrom(ctx, at, now, limit-sum)
		if sum += n; err != nil || sum >= limit || !at.IsZero() || wrapped {
			break
		}
		wrapped = true
	}
	s.mu.Lock()
	s.unparkCursor = at
	s.mu.Unlock()
	s.hints.hintDue(sum > 0)
	return sum, fail("unpark deliveries", err)
}

// unparkFrom unparks deliveries of the next subscriptions. It returns where to continue, or zero
// at the end.
func (s *Store) unparkFrom(ctx context.Context, at event.ID, now time.Time, limit int) (sum int, next event.ID, err error) {
	var gates []parkedGate
	err = retry(ctx, func() (err error) {
		gates, err = s.walkParked(ctx, at)
		return err
	})
	if err != nil {
		return 0, at, err
	}
	for i := range gates {
		until, n := gates[i].gate.Unparks(now, limit-sum)
		if !until.IsZero() {
			n, err = s.endLeases(ctx, "unpark deliveries", unparkSQL, uuid(gates[i].subscription), until, n)
			sum += n
		}
		if err != nil || sum >= limit {
			return sum, gates[i].subscription, err
		}
	}
	if len(gates) < unparkWalk {
		return sum, event.ID{}, nil
	}
	return sum, gates[len(gates)-1].subscription, nil
}

// parkedGate is a subscription with parked deliveries, and its gate.
type parkedGate struct {
	subscription event.ID
	gate         event.Gate
}

func (s *Store) walkParked(ctx context.Context, at event.ID) ([]parkedGate, error) {
	rows, err := s.pool.Query(ctx, walkParkedSQL, uuid(at), unparkWalk)
	if err != nil {
		return nil, err
	}
	var gates []parkedGate
	for rows.Next() {
		var p parkedGate
		if err := rows.Scan(append([]any{idTo(&p.subscription)}, gateTo(&p.gate)...)...); err != nil {
			rows.Close()
			return nil, err
		}
		gates = append(gates, p)
	}
	return gates, rows.Err()
}

// unparkFirst unparks the first deliveries of a subscription that was changed at the given time, if
// its gate permits them then. Unpark does the rest.
func (s *Store) unparkFirst(ctx context.Context, tx pgx.Tx, sub *event.Subscription, at time.Time) error {
	const most = 1000
	until, n := sub.Gate().Unparks(at, most)
	if until.IsZero() {
		return nil
	}
	_, err := tx.Exec(ctx, unparkSQL, uuid(sub.ID), s.clock.toDatabase(until), n)
	return err
}
