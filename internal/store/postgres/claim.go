package postgres

import (
	"bytes"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

const (
	// maxWalk is how many subscriptions with due deliveries one fair claim visits. The next
	// claim continues where it stopped, so all get their turn.
	maxWalk = 1024
	// fillRounds is how often a fair claim looks for more deliveries of lanes that have more.
	fillRounds = 4
)

// lane is the due deliveries of one subscription that may be claimed.
type lane = event.Lane[candidate]

type candidate struct {
	id   event.ID
	size int // of its payload
}

// claiming is the state of one claim. Its times are in the database's time.
type claiming struct {
	db      querier
	request *event.ClaimRequest
	claim   event.Claim
	until   map[event.ID]time.Time // in a fair claim, the latest due time that the gate of each subscription permits
}

// querier is a transaction, or the pool if each statement is a transaction of its own.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Claim leases due deliveries fairly.
//
// If all due deliveries fit into the limit, it takes them all. A claim that finds nothing,
// as most do, is one round trip. Otherwise it walks through the subscriptions with due
// deliveries, using an index that contains nothing else, and locks a fair share of each,
// skipping rows that others have locked. So a subscription with a million due deliveries
// costs no more than one with five, and nodes that claim at the same moment get different
// deliveries.
func (s *Store) Claim(ctx context.Context, r event.ClaimRequest) (event.Claim, error) {
	until := r.Until
	r.Now, r.Until = s.clock.toDatabase(r.Now), s.clock.toDatabase(r.Until)
	c := claiming{request: &r}
	if err := s.claim(ctx, &c); err != nil {
		return event.Claim{}, fail("claim deliveries", err)
	}
	c.claim.NextDue = s.clock.toNode(c.claim.NextDue)
	for i := range c.claim.Deliveries {
		d := &c.claim.Deliveries[i].Delivery
		d.DueAt, d.LeasedUntil = s.clock.toNode(d.DueAt), until.UTC().Truncate(time.Microsecond)
	}
	return c.claim, nil
}

func (s *Store) claim(ctx context.Context, c *claiming) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	all := false
	err := retry(ctx, func() (err error) {
		c.db, c.claim = s.pool, event.Claim{}
		var lanes []lane
		if lanes, all, err = c.allDue(ctx); err != nil || !all {
			return err
		}
		return c.lease(ctx, c.pickInTurn(lanes)) // lease skips what another node has leased meanwhile
	})
	if err != nil || all {
		return err
	}
	return s.inTx(ctx, quick, "claim fairly", func(ctx context.Context, tx pgx.Tx) error {
		c.db, c.claim, c.until = tx, event.Claim{NextDue: c.claim.NextDue}, map[event.ID]time.Time{}
		lanes, err := s.walkDue(ctx, c)
		if err != nil {
			return err
		}
		if err := c.lockShares(ctx, lanes); err != nil {
			return err
		}
		return c.lease(ctx, c.pickInTurn(lanes))
	})
}

// dueAllSQL orders by subscription and id, too, to use the index for deliveries that are due at
// the same moment.
var dueAllSQL = `SELECT d.id, d.subscription_id, d.due_at,
			(SELECT octet_length(e.payload) FROM events e WHERE e.id = d.event_id), ` + store.Qualified("g", gateNames) + `
		FROM (SELECT id, subscription_id, event_id, due_at FROM deliveries
			WHERE status = 0 AND lease_owner IS NULL AND due_at <= $1 ORDER BY due_at, subscription_id, id LIMIT $2) AS d
		LEFT JOIN LATERAL ` + gateOf("d.subscription_id") + ` AS g ON true`

const nextDueSQL = `SELECT due_at FROM deliveries WHERE status = 0 AND lease_owner IS NULL AND due_at > $1
		ORDER BY due_at, subscription_id, id LIMIT 1`

// allDue finds all due deliveries, if they are within the limit, and the next due time. It parks
// those whose gate is closed for long.
func (c *claiming) allDue(ctx context.Context) (lanes []lane, all bool, err error) {
	var found event.Lanes[candidate]
	var parked ids
	n := 0
	b := &pgx.Batch{}
	b.Queue(dueAllSQL, c.request.Now, c.request.Limit+1).Query(func(rows pgx.Rows) error {
		for ; rows.Next(); n++ {
			var id, sub event.ID
			var at time.Time
			var size *int
			var g event.Gate
			if err := rows.Scan(append([]any{idTo(&id), idTo(&sub), timeTo{&at}, &size}, gateTo(&g)...)...); err != nil {
				return err
			}
			lane := found.Of(sub, *c.request)
			switch {
			case size == nil: // its event is missing
			case !at.After(g.DueUntil(c.request.Now)):
				lane.Due = append(lane.Due, candidate{id, *size})
			case g.Parks(c.request.Until):
				parked = append(parked, id)
			default:
				c.claim.MayBeDue(g.Health.NotBefore)
			}
		}
		return rows.Err()
	})
	b.Queue(nextDueSQL, c.request.Now).Query(func(rows pgx.Rows) error {
		var next time.Time
		_, err := pgx.ForEachRow(rows, []any{timeTo{&next}}, func() error {
			c.claim.MayBeDue(next)
			return nil
		})
		return err
	})
	if err = c.db.SendBatch(ctx, b).Close(); err != nil || n > c.request.Limit || len(parked) == 0 {
		return found.List, n <= c.request.Limit, err
	}
	c.claim.Parked += len(parked)
	rows, err := c.db.Query(ctx, parkSQL, sorted(parked), event.ParkedUntil)
	if err == nil {
		rows.Close()
		err = rows.Err()
	}
	return found.List, true, err
}

// walkSQL goes from one subscription with due deliveries to the next, with one index lookup
// for each. It uses subqueries, because PostgreSQL could plan a join in another way.
var walkSQL = `WITH RECURSIVE walk (subscription_id, n) AS (
		SELECT (SELECT subscription_id FROM deliveries WHERE status = 0 AND lease_owner IS NULL
			AND subscription_id > $1 AND subscription_id <= $2 ORDER BY subscription_id, due_at, id LIMIT 1), 1
		UNION ALL
		SELECT (SELECT d.subscription_id FROM deliveries d WHERE d.status = 0 AND d.lease_owner IS NULL
			AND d.subscription_id > walk.subscription_id AND d.subscription_id <= $2
			ORDER BY d.subscription_id, d.due_at, d.id LIMIT 1), walk.n + 1
		FROM walk WHERE walk.subscription_id IS NOT NULL AND walk.n < $3)
	SELECT walk.subscription_id,
		(SELECT d.due_at FROM deliveries d WHERE d.status = 0 AND d.lease_owner IS NULL
			AND d.subscription_id = walk.subscription_id ORDER BY d.due_at, d.id LIMIT 1), ` + store.Qualified("g", gateNames) + `
	FROM walk LEFT JOIN LATERAL ` + gateOf("walk.subscription_id") + ` AS g ON true WHERE walk.subscription_id IS NOT NULL`

// walkDue walks through the subscriptions with due deliveries, from where the last walk stopped,
// until it has found as many subscriptions as deliveries may be claimed.
func (s *Store) walkDue(ctx context.Context, c *claiming) (lanes []lane, err error) {
	s.mu.Lock()
	start := s.cursor
	s.mu.Unlock()
	at, end := start, last
	for seen := 0; seen < maxWalk && len(lanes) < c.request.Limit; {
		step := min(c.request.Limit-len(lanes), maxWalk-seen)
		n, err := c.walk(ctx, &at, end, step, &lanes)
		if err != nil {
			return nil, err
		}
		seen += n
		if n == step {
			continue
		}
		if end == start { // all were visited
			s.moveCursor(at)
			return lanes, nil
		}
		at, end = event.ID{}, start
	}
	c.claim.More = true
	s.moveCursor(at)
	return lanes, nil
}

func (s *Store) moveCursor(at event.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = at
}

func (c *claiming) walk(ctx context.Context, at *event.ID, end event.ID, step int, lanes *[]lane) (n int, err error) {
	rows, err := c.db.Query(ctx, walkSQL, uuid(*at), uuid(end), step)
	if err != nil {
		return 0, err
	}
	r := c.request
	var closed ids
	var closedUntil times
	for ; rows.Next(); n++ {
		var first time.Time
		var g event.Gate
		if err := rows.Scan(append([]any{idTo(at), timeTo{&first}}, gateTo(&g)...)...); err != nil {
			rows.Close()
			return n, err
		}
		if first.IsZero() || first.After(r.Now) {
			continue // another node was faster, or nothing is due
		}
		until := g.DueUntil(r.Now)
		c.until[*at] = until
		if !first.After(until) {
			*lanes = append(*lanes, lane{Subscription: *at, Capacity: r.CapacityFor(*at), More: true})
		}
		switch {
		case until.Equal(r.Now):
		case g.Parks(r.Until):
			closed, closedUntil = append(closed, *at), append(closedUntil, until)
		default:
			c.claim.MayBeDue(g.Health.NotBefore)
		}
	}
	if rows.Err() != nil || len(closed) == 0 {
		return n, rows.Err()
	}
	return n, c.park(ctx, closed, closedUntil)
}

// park parks due deliveries of the closed subscriptions, except for those that were due by the
// given times.
func (c *claiming) park(ctx context.Context, closed ids, until times) error {
	most := event.MaxParked - c.claim.Parked
	if most <= 0 {
		return nil
	}
	rows, err := c.db.Query(ctx, parkOfSQL, closed, until, event.ParkedUntil, c.request.Now, most)
	if err != nil {
		return err
	}
	rows.Close()
	c.claim.Parked += int(rows.CommandTag().RowsAffected())
	return rows.Err()
}

const shareSQL = `SELECT u.lane, d.id, (SELECT octet_length(e.payload) FROM events e WHERE e.id = d.event_id)
	FROM unnest($1::int4[], $2::uuid[], $3::int4[], $4::int4[], $5::timestamptz[]) AS u (lane, subscription_id, skip, most, until)
	CROSS JOIN LATERAL (
		SELECT id, event_id FROM deliveries
		WHERE status = 0 AND lease_owner IS NULL AND subscription_id = u.subscription_id AND due_at <= u.until
		ORDER BY due_at, id OFFSET u.skip LIMIT u.most FOR UPDATE SKIP LOCKED) AS d`

// lockShares locks as many deliveries as may be claimed: an equal share of each subscription,
// and then further shares of those that have more, until there are enough.
func (c *claiming) lockShares(ctx context.Context, lanes []lane) error {
	missing := c.request.Limit
	for range fillRounds {
		var open []int
		for i := range lanes {
			if lanes[i].More && len(lanes[i].Due) < lanes[i].Capacity {
				open = append(open, i)
			}
		}
		if len(open) == 0 || missing <= 0 {
			return nil
		}
		share := (missing + len(open) - 1) / len(open)
		n, err := c.lockShare(ctx, lanes, open, share)
		if err != nil {
			return err
		}
		missing -= n
	}
	return nil
}

func (c *claiming) lockShare(ctx context.Context, lanes []lane, open []int, share int) (n int, err error) {
	lane, sub, skip, most, until := make(ints, len(open)), make(ids, len(open)), make(ints, len(open)), make(ints, len(open)), make(times, len(open))
	seen := make(map[event.ID]bool)
	for k, i := range open {
		l := &lanes[i]
		lane[k], sub[k], skip[k], until[k] = int32(i), l.Subscription, int32(len(l.Due)), c.until[l.Subscription]
		most[k] = int32(min(share, l.Capacity-len(l.Due)))
		l.More = false
		for _, d := range l.Due {
			seen[d.id] = true
		}
	}
	rows, err := c.db.Query(ctx, shareSQL, lane, sub, skip, most, until)
	if err != nil {
		return 0, err
	}
	got := make(map[int32]int32)
	var i int32
	var id event.ID
	var size *int
	_, err = pgx.ForEachRow(rows, []any{&i, idTo(&id), &size}, func() error {
		got[i]++
		// If another node has released a delivery meanwhile, the same one may be found twice.
		if !seen[id] && size != nil {
			lanes[i].Due = append(lanes[i].Due, candidate{id, *size})
			n++
		}
		return nil
	})
	for k, i := range open {
		lanes[i].More = got[int32(i)] == most[k]
	}
	return n, err
}

// pickInTurn chooses the deliveries to lease.
func (c *claiming) pickInTurn(lanes []lane) (picked []event.ID) {
	more, _ := event.TakeTurns(*c.request, lanes, func(d candidate) (int, error) {
		picked = append(picked, d.id)
		return d.size, nil
	})
	c.claim.More = c.claim.More || more
	return picked
}

// leaseSQL names the partitions of one window. It is written so that PostgreSQL can find the
// deliveries and their events only by their ids.
const leaseSQL = `WITH held AS MATERIALIZED (
		SELECT id FROM {deliveries}
		WHERE id = ANY($1::uuid[]) AND status < 1 AND lease_owner IS NULL FOR UPDATE SKIP LOCKED),
	leased AS (
		UPDATE {deliveries} SET lease_owner = $2, leased_until = $3 WHERE id = ANY(ARRAY(SELECT id FROM held))
		RETURNING id, event_id, subscription_id, attempts, due_at, created_at, delivered_at, round, round_from, stray)
	SELECT d.*, e.* FROM leased d CROSS JOIN LATERAL (
		SELECT type, content_type, payload, created_at, data_at, data_len, tenant_no, NOT retry FROM {events} WHERE id = d.event_id OFFSET 0) AS e`

// lease leases the chosen deliveries, except for those that another node has leased meanwhile.
func (c *claiming) lease(ctx context.Context, picked []event.ID) error {
	if len(picked) == 0 {
		return nil
	}
	claimed := make(map[event.ID]event.Claimed, len(picked))
	b := &pgx.Batch{}
	for _, window := range byWindow(picked) {
		b.Queue(nameTables(leaseSQL, suffix(windowOf(window[0]))), window, c.request.Owner, c.request.Until).Query(func(rows pgx.Rows) error {
			return c.collect(rows, claimed)
		})
	}
	if err := c.db.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	for _, id := range picked {
		if got, ok := claimed[id]; ok {
			c.claim.Deliveries = append(c.claim.Deliveries, got)
		}
	}
	return nil
}

// byWindow groups ids by their window, in order. The partitions of these windows exist, because
// pending deliveries keep them from being dropped.
func byWindow(all []event.ID) (windows []ids) {
	for rest := sorted(all); len(rest) > 0; {
		start, n := windowOf(rest[0]), 1
		for n < len(rest) && windowOf(rest[n]).Equal(start) {
			n++
		}
		windows, rest = append(windows, rest[:n]), rest[n:]
	}
	return windows
}

// collect reads the leased deliveries.
func (c *claiming) collect(rows pgx.Rows, claimed map[event.ID]event.Claimed) error {
	for rows.Next() {
		got := event.Claimed{Delivery: event.Delivery{LeaseOwner: c.request.Owner}}
		d, e := &got.Delivery, &got.Event
		if err := rows.Scan(idTo(&d.ID), idTo(&d.EventID), idTo(&d.SubscriptionID), &d.Attempts, timeTo{&d.DueAt}, timeTo{&d.CreatedAt},
			timeTo{&d.DeliveredAt}, &d.Round, &d.RoundFrom, &d.Stray, &e.Type, &e.ContentType, &e.Payload, timeTo{&e.CreatedAt}, &e.DataAt, &e.DataLen,
			&e.TenantNo, &e.SingleAttempt); err != nil {
			return err
		}
		e.ID, e.Payload = d.EventID, bytes.Clone(e.Payload)
		claimed[d.ID] = got
	}
	return rows.Err()
}
