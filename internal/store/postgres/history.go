package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// attemptNames are the columns of an attempt, in the order of attemptColumnsOf and scanAttempt.
const attemptNames = `delivery_id, id, subscription_id, started_at, duration_us, dns_us, connect_us, tls_us, first_byte_us,
	attempt_number, status_code, peer, code, error, response`

var attemptColumns = store.Qualified("a", attemptNames)

var (
	deliverySQL = `SELECT ` + deliveryColumns + `, e.type
		FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.id = $1`
	eventDeliveriesSQL = `SELECT d.id FROM deliveries d WHERE d.id BETWEEN $1 AND $2 AND d.event_id = $3 ORDER BY d.id LIMIT $4`
	attemptsOfSQL      = `SELECT ` + attemptColumns + ` FROM delivery_attempts a WHERE a.delivery_id = $1 ORDER BY a.attempt_number, a.id`
	listAttemptsSQL    = `SELECT ` + attemptColumns + `,
		(SELECT d.event_id FROM deliveries d WHERE d.id = a.delivery_id) AS event_id
		FROM delivery_attempts a WHERE a.subscription_id = $1 AND a.id < $2 ORDER BY a.id DESC LIMIT $3`
	listReportsSQL = `SELECT a.*, e.type FROM (` + listAttemptsSQL + `) AS a JOIN events e ON e.id = a.event_id ORDER BY a.id DESC`
)

// Delivery reads a delivery with its attempts. If a replica does not have it yet, it is
// read from the primary: it may have been accepted just now.
func (s *Store) Delivery(ctx context.Context, id event.ID) (event.DeliveryReport, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	var r event.DeliveryReport
	err := s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) (err error) {
		r, err = readDelivery(ctx, pool, id)
		return err
	})
	if err != nil {
		return event.DeliveryReport{}, fail("read a delivery", err)
	}
	// Callers expect this machine's time, like the Date header of the response. Times that
	// another node has recorded are in that node's time.
	r.Delivery.DueAt, r.Delivery.LeasedUntil = s.clock.toNode(r.Delivery.DueAt), s.clock.toNode(r.Delivery.LeasedUntil)
	return r, nil
}

func readDelivery(ctx context.Context, pool *pgxpool.Pool, id event.ID) (event.DeliveryReport, error) {
	r := event.DeliveryReport{Delivery: event.Delivery{ID: id}}
	d := &r.Delivery
	b := &pgx.Batch{}
	b.Queue(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`) // one snapshot for both queries
	b.Queue(deliverySQL, uuid(id)).QueryRow(func(row pgx.Row) error {
		err := row.Scan(append(deliveryTo(d), &r.EventType)...)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("%w: delivery %s", event.ErrNotFound, id)
		}
		return err
	})
	b.Queue(attemptsOfSQL, uuid(id)).Query(func(rows pgx.Rows) (err error) {
		r.Attempts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (event.Attempt, error) { return scanAttempt(row) })
		return err
	})
	b.Queue(`COMMIT`)
	return r, pool.SendBatch(ctx, b).Close()
}

// EventDeliveries searches the range of ids that deliveries of the event have.
func (s *Store) EventDeliveries(ctx context.Context, id event.ID, limit int) ([]event.ID, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	first, last := id.Deliveries()
	var list []event.ID
	err := s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, eventDeliveriesSQL, uuid(first), uuid(last), uuid(id), limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (one event.ID, err error) {
			err = row.Scan(idTo(&one))
			return one, err
		})
		if err != nil {
			return err
		}
		list, err = store.FirstIDs(list, limit, id)
		return err
	})
	if err != nil {
		return nil, fail("find an event's deliveries", err)
	}
	return list, nil
}

// ListAttempts reads a page of a subscription's attempts, newest first.
func (s *Store) ListAttempts(ctx context.Context, subscription, before event.ID, limit int) ([]event.AttemptReport, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	var list []event.AttemptReport
	err := s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, listReportsSQL, uuid(subscription), cursor(before), limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r event.AttemptReport, err error) {
			r.Attempt, err = scanAttempt(row, idTo(&r.EventID), &r.EventType)
			return r, err
		})
		return err
	})
	if err != nil {
		return nil, fail("list attempts", err)
	}
	return list, nil
}

func scanAttempt(row pgx.CollectableRow, more ...any) (event.Attempt, error) {
	var a event.Attempt
	var took int64
	var dns, connect, tls, firstByte int32
	o := &a.Outcome
	err := row.Scan(append([]any{
		idTo(&a.DeliveryID), idTo(&a.ID), idTo(&a.SubscriptionID),
		timeTo{&o.StartedAt},
		&took, &dns, &connect, &tls, &firstByte, &a.Number, &o.StatusCode, &o.Peer, (*string)(&o.Code), &o.Error, &o.Response,
	}, more...)...)
	o.Duration = time.Duration(took) * time.Microsecond
	o.Phases = event.Phases{DNS: duration(dns), Connect: duration(connect), TLS: duration(tls), FirstByte: duration(firstByte)}
	return a, err
}

const depthSQL = `WITH idle AS MATERIALIZED (SELECT id FROM subscriptions WHERE NOT is_active OR paused_at IS NOT NULL)
	SELECT
	(SELECT count(*) FROM deliveries WHERE status = 0 AND lease_owner IS NULL),
	(SELECT count(*) FROM deliveries WHERE status = 0 AND lease_owner IS NOT NULL),
	(SELECT count(*) FROM deliveries WHERE status = 0 AND lease_owner = 'parked'),
	due.n + parked.n, least(due.oldest, parked.oldest) FROM (
		SELECT count(*) AS n, min(due_at) AS oldest FROM deliveries
		WHERE status = 0 AND lease_owner IS NULL AND due_at <= $1 AND subscription_id NOT IN (SELECT id FROM idle)) AS due, (
		SELECT count(*) AS n, min(due_at) AS oldest FROM deliveries
		WHERE status = 0 AND lease_owner = 'parked' AND subscription_id NOT IN (SELECT id FROM idle)) AS parked`

// Depth counts pending deliveries. Those of an inactive or paused subscription are not counted
// as due, because no attempt may start.
func (s *Store) Depth(ctx context.Context, now time.Time) (event.Depth, error) {
	ctx, cancel := context.WithTimeout(ctx, slow)
	defer cancel()
	now = s.clock.toDatabase(now)
	var d event.Depth
	err := s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		var waiting, parked int
		var oldest time.Time
		if err := pool.QueryRow(ctx, depthSQL, now).Scan(&waiting, &d.Leased, &parked, &d.Due, timeTo{&oldest}); err != nil {
			return err
		}
		d.Pending = waiting + d.Leased
		d.Leased -= parked
		if d.Due > 0 {
			d.OldestDue = now.Sub(oldest)
		}
		return nil
	})
	if err != nil {
		return event.Depth{}, fail("count pending deliveries", err)
	}
	return d, nil
}

const waitingSQL = `SELECT subscription_id, sum(n)::bigint FROM (
	SELECT subscription_id, count(*) AS n FROM deliveries WHERE status = 0 AND lease_owner IS NULL GROUP BY subscription_id
	UNION ALL SELECT subscription_id, count(*) FROM deliveries WHERE status = 0 AND lease_owner = 'parked' GROUP BY subscription_id) AS w
	GROUP BY subscription_id`

// Waiting counts with the indexes that contain only pending deliveries.
func (s *Store) Waiting(ctx context.Context, many int) (event.Waiting, error) {
	ctx, cancel := context.WithTimeout(ctx, slow)
	defer cancel()
	var w event.Waiting
	err := s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		w = event.Waiting{Many: map[event.ID]int{}}
		rows, err := pool.Query(ctx, waitingSQL)
		if err != nil {
			return err
		}
		var id event.ID
		var n int
		_, err = pgx.ForEachRow(rows, []any{idTo(&id), &n}, func() error {
			w.Total += n
			if n >= many {
				w.Many[id] = n
			}
			return nil
		})
		return err
	})
	if err != nil {
		return event.Waiting{}, fail("count pending deliveries", err)
	}
	return w, nil
}

// Count counts all deliveries by status, on the primary.
func (s *Store) Count(ctx context.Context) (map[event.Status]int, error) {
	ctx, cancel := context.WithTimeout(ctx, slow)
	defer cancel()
	counts := make(map[event.Status]int)
	err := s.scan(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT status, count(*) FROM deliveries GROUP BY status`)
		if err != nil {
			return err
		}
		var status, n int
		_, err = pgx.ForEachRow(rows, []any{&status, &n}, func() error {
			counts[event.Status(status)] = n
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fail("count deliveries", err)
	}
	return counts, nil
}
