package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
)

// The statements of release 0.1.0, word for word. Its nodes run them on the same tables as the
// present release. The names in braces are tables whose partition it named.
const (
	oldLockSQL   = `SELECT pg_advisory_xact_lock_shared($1)`
	oldInsertSQL = `WITH stored AS (
		INSERT INTO {deliveries} (id, event_id, subscription_id, due_at, created_at, leased_until, attempts, status, lease_owner)
		SELECT d.id, d.event_id, d.subscription_id, d.due_at, d.created_at, d.leased_until, 0, 0, d.lease_owner
		FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::text[])
			AS d (id, event_id, subscription_id, due_at, created_at, leased_until, lease_owner)
		WHERE EXISTS (SELECT FROM subscriptions s WHERE s.id = d.subscription_id AND s.deleted_at IS NULL)
		RETURNING event_id)
	INSERT INTO {events} (id, created_at, type, content_type, payload)
	SELECT e.id, e.created_at, e.type, e.content_type, e.payload
	FROM unnest($2::uuid[], $8::timestamptz[], $9::text[], $10::text[], $11::bytea[])
		AS e (id, created_at, type, content_type, payload)
	WHERE e.id IN (SELECT event_id FROM stored)`
	oldSettleSQL = `UPDATE {deliveries} d SET status = u.status, attempts = u.attempts, due_at = u.due_at,
		lease_owner = NULL, leased_until = NULL, settled_at = u.settled_at
	FROM unnest($1::uuid[], $2::int2[], $3::int4[], $4::timestamptz[], $5::timestamptz[], $6::int4[])
		AS u (id, status, attempts, due_at, settled_at, number)
	WHERE d.id = ANY($1::uuid[]) AND d.id = u.id AND d.status < 1 AND d.attempts = u.number - 1`
	oldAttemptSQL = `INSERT INTO {delivery_attempts} (delivery_id, id, subscription_id, started_at, duration_us,
		dns_us, connect_us, tls_us, first_byte_us, attempt_number, status_code, peer, code, error, response)
	SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::int8[], $6::int4[], $7::int4[],
		$8::int4[], $9::int4[], $10::int4[], $11::int4[], $12::text[], $13::text[], $14::text[], $15::bytea[])
	ON CONFLICT DO NOTHING`
	oldDueSQL = `SELECT d.id FROM (SELECT id, subscription_id, event_id FROM deliveries
			WHERE status = 0 AND lease_owner IS NULL AND due_at <= $1 ORDER BY due_at, subscription_id, id LIMIT $2) AS d`
	oldLeaseSQL = `WITH held AS MATERIALIZED (
		SELECT id FROM deliveries
		WHERE id = ANY($1::uuid[]) AND status < 1 AND lease_owner IS NULL FOR UPDATE SKIP LOCKED)
	UPDATE deliveries d SET lease_owner = $2, leased_until = $3
	FROM held h, events e
	WHERE d.id = ANY($1::uuid[]) AND d.id = h.id AND e.id = d.event_id
	RETURNING d.id, d.event_id, d.subscription_id, d.attempts, d.due_at, d.created_at, e.type, e.content_type, e.payload, e.created_at`
	oldExpireSQL = `WITH old AS MATERIALIZED (
		SELECT id, event_id FROM deliveries WHERE id < $1 AND status <> 0 AND settled_at < $2 ORDER BY id LIMIT $3),
	attempts AS (DELETE FROM delivery_attempts WHERE delivery_id = ANY(ARRAY(SELECT id FROM old))),
	bodies AS (DELETE FROM events WHERE id = ANY(ARRAY(SELECT event_id FROM old)))
	DELETE FROM deliveries WHERE id = ANY(ARRAY(SELECT id FROM old))`
	oldDeletionKey = int64(0x686f6f6b_00000001)
)

// oldNode behaves like a node of release 0.1.0, as far as the database can tell.
type oldNode struct{ pool *pgxpool.Pool }

func startOldNode(t testing.TB, url string) oldNode {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return oldNode{pool}
}

// oldOffer is an event with a delivery whose id is independent of the event's, as in release
// 0.1.0.
func oldOffer(sub event.ID, at time.Time) event.Acceptance {
	a := offer(sub, at)
	a.Deliveries[0].ID = event.NewID(at)
	return a
}

// inPartition replaces the table in a statement by the partition of an id.
func inPartition(sql string, id event.ID) string {
	suffix, _ := postgres.WritesIn(id.Time())
	return strings.NewReplacer("{events}", "events"+suffix, "{deliveries}", "deliveries"+suffix, "{delivery_attempts}", "delivery_attempts"+suffix).Replace(sql)
}

// accept stores one event and its delivery, in one transaction.
func (o oldNode) accept(ctx context.Context, a event.Acceptance) error {
	e, d := a.Event, a.Deliveries[0]
	var until *time.Time
	var owner *string
	if d.LeaseOwner != "" {
		until, owner = &d.LeasedUntil, &d.LeaseOwner
	}
	return pgx.BeginFunc(ctx, o.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, oldLockSQL, oldDeletionKey); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, inPartition(oldInsertSQL, e.ID), list[[16]byte](d.ID), list[[16]byte](e.ID), list[[16]byte](d.SubscriptionID),
			list(d.DueAt), list(d.CreatedAt), list(until), list(owner), list(e.CreatedAt), list(e.Type), list(e.ContentType), list(e.Payload))
		return err
	})
}

func list[T any](v T) []T { return []T{v} }

// claim leases up to limit due deliveries, and returns the parts of them that a settlement needs.
func (o oldNode) claim(ctx context.Context, owner string, limit int) (claimed []event.Delivery, err error) {
	now := time.Now()
	rows, err := o.pool.Query(ctx, oldDueSQL, now, limit)
	if err != nil {
		return nil, err
	}
	due, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil {
		return nil, err
	}
	if rows, err = o.pool.Query(ctx, oldLeaseSQL, due, owner, now.Add(time.Minute)); err != nil {
		return nil, err
	}
	for rows.Next() {
		var d event.Delivery
		var kind, content string
		var payload []byte
		var at time.Time
		if err := rows.Scan((*[16]byte)(&d.ID), (*[16]byte)(&d.EventID), (*[16]byte)(&d.SubscriptionID), &d.Attempts, &d.DueAt, &d.CreatedAt,
			&kind, &content, &payload, &at); err != nil {
			return nil, err
		}
		claimed = append(claimed, d)
	}
	return claimed, rows.Err()
}

// settle writes an outcome.
func (o oldNode) settle(ctx context.Context, s event.Settlement) error {
	d, a := s.Delivery, s.Attempt
	var settled *time.Time
	if !d.SettledAt.IsZero() {
		settled = &d.SettledAt
	}
	id, zero := list[[16]byte](d.ID), list[int32](0)
	return pgx.BeginFunc(ctx, o.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, inPartition(oldSettleSQL, d.ID), id, list(int16(d.Status)), list(int32(d.Attempts)), list(d.DueAt), list(settled), list(int32(a.Number)))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, inPartition(oldAttemptSQL, d.ID), id, list[[16]byte](a.ID), list[[16]byte](a.SubscriptionID),
			list(a.Outcome.StartedAt), list[int64](1), zero, zero, zero, zero, list(int32(a.Number)), list(int32(a.Outcome.StatusCode)),
			list(""), list(string(a.Outcome.Code)), list(""), list[[]byte](nil))
		return err
	})
}

// expire deletes, row by row, what was accepted before floor and settled before then.
func (o oldNode) expire(ctx context.Context, floor event.ID, before time.Time) (int, error) {
	tag, err := o.pool.Exec(ctx, oldExpireSQL, [16]byte(floor), before, 1000)
	return int(tag.RowsAffected()), err
}

// TestReleaseBesideUs runs a node of release 0.1.0 and one of this release on one database. Each
// delivers what the other has accepted, and deletes what the other has left.
func TestReleaseBesideUs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason  string
		oldEnds bool // the node of 0.1.0 makes the last attempt
	}{
		{"a delivery that we accept, fail to deliver, and 0.1.0 delivers", true},
		{"a delivery that 0.1.0 accepts, fails to deliver, and we deliver", false},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			url := server.Database(t, template)
			s, old := open(t, postgres.Options{URL: url}), startOldNode(t, url)
			first, second := worker(newNode{s}), worker(old)
			if !tt.oldEnds {
				first, second = second, first
			}
			sub := subscribed(t, s)
			at := time.Now().Add(-time.Minute)
			a := oldOffer(sub.ID, at)
			if tt.oldEnds {
				accept(t, s, a)
			} else if err := old.accept(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			attempt(t, first, event.Outcome{StartedAt: at, StatusCode: 500, Code: event.CodeStatus})
			attempt(t, second, event.Outcome{StartedAt: at, StatusCode: 200})
			got, err := s.Delivery(t.Context(), a.Deliveries[0].ID)
			if err != nil || got.Delivery.Status != event.Delivered || got.Delivery.DeliveredAt.IsZero() || len(got.Attempts) != 2 {
				t.Errorf("%+v, %v; want it delivered by the second attempt", got, err)
			}
			later := time.Now().Add(48 * time.Hour)
			if tt.oldEnds {
				_, err = s.Expire(t.Context(), later, later, 10)
			} else {
				_, err = old.expire(t.Context(), event.FloorID(later), later)
			}
			if left := query[int](t, url, `SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM delivery_attempts)`)[0]; err != nil || left != 0 {
				t.Errorf("%d rows are left after the retention: %v", left, err)
			}
		})
	}
}

// worker is what a node of either release does with due deliveries.
type worker interface {
	claim(ctx context.Context, owner string, limit int) ([]event.Delivery, error)
	settle(ctx context.Context, s event.Settlement) error
}

// newNode is a node of this release.
type newNode struct{ *postgres.Store }

func (n newNode) claim(ctx context.Context, owner string, limit int) (claimed []event.Delivery, err error) {
	now := time.Now()
	c, err := n.Claim(ctx, event.ClaimRequest{Owner: owner, Now: now, Until: now.Add(time.Minute), Limit: limit, Capacity: limit})
	for i := range c.Deliveries {
		claimed = append(claimed, c.Deliveries[i].Delivery)
	}
	return claimed, err
}

func (n newNode) settle(ctx context.Context, s event.Settlement) error {
	return n.Record(ctx, []event.Settlement{s})
}

// attempt claims the only due delivery and settles it. A retry is due at once.
func attempt(t *testing.T, n worker, o event.Outcome) {
	t.Helper()
	claimed, err := n.claim(t.Context(), "a", 10)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claimed %d, %v; want the one that is due", len(claimed), err)
	}
	if err := n.settle(t.Context(), event.Settle(claimed[0], o, event.RetryPolicy{time.Millisecond}, o.StartedAt, 0.5)); err != nil {
		t.Fatal(err)
	}
}
