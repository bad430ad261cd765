package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// attemptNames are the columns of an attempt, in the order of record and scanAttempt.
const attemptNames = `delivery_id, id, subscription_id, attempt_number, started_at, duration_us, dns_us, connect_us,
	tls_us, first_byte_us, peer, status_code, code, error, response`

var attemptColumns = store.Qualified("a", attemptNames)

// Delivery reads a delivery with its attempts, in one snapshot.
func (s *Store) Delivery(ctx context.Context, id event.ID) (event.DeliveryReport, error) {
	seq, implicit := s.writer.implicit.eventSeq(id) // before reading the database, because the row may be written in between
	tx, err := s.reads.BeginTx(ctx, nil)
	if err != nil {
		return event.DeliveryReport{}, unavailable("read a delivery", err)
	}
	defer tx.Rollback() // the transaction only reads
	r := event.DeliveryReport{Delivery: event.Delivery{ID: id}}
	d := &r.Delivery
	from, args := "deliveries d", []any{id[:]}
	if implicit {
		from, args = "(SELECT * FROM all_deliveries WHERE event_seq = ?2) d", append(args, seq)
	} else if s.shared {
		from = "all_deliveries d"
	}
	err = tx.QueryRowContext(ctx, `SELECT e.id, e.type, `+deliveryColumns+` FROM `+from+` JOIN events e ON e.seq = d.event_seq WHERE d.id = ?1`, args...).
		Scan(append([]any{idScan{&d.EventID}, &r.EventType}, deliveryInto(d)...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return event.DeliveryReport{}, fmt.Errorf("%w: delivery %s", event.ErrNotFound, id)
	}
	if err != nil {
		return event.DeliveryReport{}, unavailable("read a delivery", err)
	}
	rows, err := tx.QueryContext(ctx, `SELECT `+attemptColumns+` FROM delivery_attempts a WHERE a.delivery_id = ? ORDER BY a.attempt_number, a.id`, id[:])
	if err != nil {
		return event.DeliveryReport{}, unavailable("read a delivery's attempts", err)
	}
	r.Attempts, err = collect("read a delivery's attempts", rows, func() (event.Attempt, error) { return scanAttempt(rows) })
	return r, err
}

// eventDeliveriesSQL compares the event's id, because two events may share a range of ids.
const eventDeliveriesSQL = `SELECT d.id FROM deliveries d JOIN events e ON e.seq = d.event_seq
	WHERE d.id BETWEEN ?1 AND ?2 AND e.id = ?3 ORDER BY d.id LIMIT ?4`

// EventDeliveries searches the range of ids that deliveries of the event have, in the database and
// among the implicit rows.
func (s *Store) EventDeliveries(ctx context.Context, id event.ID, limit int) ([]event.ID, error) {
	first, last := id.Deliveries()
	var found []event.ID
	for _, one := range s.writer.implicit.between(first, last) { // before reading the database, because rows may be written in between
		r, err := s.Delivery(ctx, one)
		if err != nil && !errors.Is(err, event.ErrNotFound) {
			return nil, err
		}
		if err == nil && r.Delivery.EventID == id {
			found = append(found, one)
		}
	}
	query := eventDeliveriesSQL
	if s.shared {
		query = strings.Replace(query, "deliveries d", "all_deliveries d", 1)
	}
	rows, err := s.reads.QueryContext(ctx, query, first[:], last[:], id[:], limit)
	if err != nil {
		return nil, unavailable("find an event's deliveries", err)
	}
	stored, err := collect("find an event's deliveries", rows, func() (one event.ID, err error) {
		err = rows.Scan(idScan{&one})
		return one, err
	})
	if err != nil {
		return nil, err
	}
	return store.FirstIDs(append(found, stored...), limit, id)
}

// ListAttempts reads a page of a subscription's attempts, newest first.
func (s *Store) ListAttempts(ctx context.Context, subscription, before event.ID, limit int) ([]event.AttemptReport, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT `+attemptColumns+`, e.id, e.type FROM delivery_attempts a
		JOIN deliveries d ON d.id = a.delivery_id JOIN events e ON e.seq = d.event_seq
		WHERE a.subscription_id = ? AND a.id < ? ORDER BY a.id DESC LIMIT ?`, subscription[:], cursor(before), limit)
	if err != nil {
		return nil, unavailable("list attempts", err)
	}
	return collect("list attempts", rows, func() (r event.AttemptReport, err error) {
		r.Attempt, err = scanAttempt(rows, idScan{&r.EventID}, &r.EventType)
		return r, err
	})
}

func scanAttempt(rows *sql.Rows, more ...any) (event.Attempt, error) {
	var a event.Attempt
	var duration, dns, connect, tls, firstByte int64
	o := &a.Outcome
	err := rows.Scan(append([]any{
		idScan{&a.DeliveryID},
		idScan{&a.ID},
		idScan{&a.SubscriptionID},
		&a.Number,
		timeScan{&o.StartedAt},
		&duration, &dns, &connect, &tls, &firstByte, &o.Peer, &o.StatusCode, &o.Code, &o.Error, &o.Response,
	}, more...)...)
	o.Duration = time.Duration(duration) * time.Microsecond
	o.Phases = event.Phases{
		DNS: time.Duration(dns) * time.Microsecond, Connect: time.Duration(connect) * time.Microsecond,
		TLS: time.Duration(tls) * time.Microsecond, FirstByte: time.Duration(firstByte) * time.Microsecond,
	}
	return a, err
}

// Depth counts pending deliveries. Those of an inactive or paused subscription are not counted
// as due, because no attempt may start.
func (s *Store) Depth(ctx context.Context, now time.Time) (event.Depth, error) {
	var d event.Depth
	var waiting, parked, parkedDue int
	var oldest, oldestParked int64
	const waits = `subscription_id NOT IN (SELECT id FROM subscriptions WHERE is_active = 0 OR paused_at > 0)`
	err := s.reads.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM deliveries WHERE status = 0 AND lease_owner IS NULL),
		(SELECT count(*) FROM deliveries WHERE status = 0 AND lease_owner IS NOT NULL),
		(SELECT count(*) FROM deliveries WHERE status = 0 AND lease_owner = 'parked'),
		due.n, due.oldest, parked.n, parked.oldest FROM (
			SELECT count(*) AS n, coalesce(min(due_at), 0) AS oldest FROM deliveries
			WHERE status = 0 AND lease_owner IS NULL AND due_at <= ? AND `+waits+`) AS due, (
			SELECT count(*) AS n, coalesce(min(due_at), 0) AS oldest FROM deliveries
			WHERE status = 0 AND lease_owner = 'parked' AND `+waits+`) AS parked`, micros(now)).
		Scan(&waiting, &d.Leased, &parked, &d.Due, &oldest, &parkedDue, &oldestParked)
	if err != nil {
		return event.Depth{}, unavailable("count pending deliveries", err)
	}
	d.Leased += s.writer.implicit.count()
	d.Pending = waiting + d.Leased
	d.Leased -= parked
	if parkedDue > 0 && (d.Due == 0 || oldestParked < oldest) {
		oldest = oldestParked
	}
	if d.Due += parkedDue; d.Due > 0 {
		d.OldestDue = now.Sub(fromMicros(oldest))
	}
	return d, nil
}

// Waiting counts with the indexes that contain only pending deliveries, ordered by subscription.
func (s *Store) Waiting(ctx context.Context, many int) (event.Waiting, error) {
	const what = "count pending deliveries"
	rows, err := s.reads.QueryContext(ctx, `SELECT subscription_id, sum(n) FROM (
		SELECT subscription_id, count(*) AS n FROM deliveries INDEXED BY deliveries_waiting
			WHERE status = 0 AND lease_owner IS NULL GROUP BY subscription_id
		UNION ALL SELECT subscription_id, count(*) FROM deliveries INDEXED BY deliveries_parked
			WHERE status = 0 AND lease_owner = 'parked' GROUP BY subscription_id) GROUP BY subscription_id`)
	if err != nil {
		return event.Waiting{}, unavailable(what, err)
	}
	defer rows.Close()
	w := event.Waiting{Many: map[event.ID]int{}}
	for rows.Next() {
		var id event.ID
		var n int
		if err := rows.Scan(idScan{&id}, &n); err != nil {
			return event.Waiting{}, unavailable(what, err)
		}
		w.Total += n
		if n >= many {
			w.Many[id] = n
		}
	}
	if err := rows.Err(); err != nil {
		return event.Waiting{}, unavailable(what, err)
	}
	return w, nil
}

// Count counts all deliveries by status.
func (s *Store) Count(ctx context.Context) (map[event.Status]int, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT status, count(*) FROM all_deliveries GROUP BY status`)
	if err != nil {
		return nil, unavailable("count deliveries", err)
	}
	defer rows.Close()
	counts := map[event.Status]int{}
	for rows.Next() {
		var status event.Status
		var n int
		if err := rows.Scan(&status, &n); err != nil {
			return nil, unavailable("count deliveries", err)
		}
		counts[status] = n
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable("count deliveries", err)
	}
	return counts, nil
}
