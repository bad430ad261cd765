package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/test/await"
)

// rival is another transaction on the rows of a store.
type rival struct {
	t    *testing.T
	url  string
	conn *pgx.Conn
}

func newRival(t *testing.T, url string) *rival {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return &rival{t, url, conn}
}

func (r *rival) do(sql string, args ...any) {
	r.t.Helper()
	if _, err := r.conn.Exec(r.t.Context(), sql, args...); err != nil {
		r.t.Errorf("%s: %v", sql, err)
	}
}

const touch = `UPDATE deliveries SET due_at = due_at WHERE id = $1::uuid`

// awaitBlocked waits until a transaction of the store is waiting for a lock.
func (r *rival) awaitBlocked() {
	r.t.Helper()
	await.NoError(r.t, func() error {
		if query[int](r.t, r.url, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'hookferry' AND wait_event_type = 'Lock'`)[0] == 0 {
			return errors.New("no transaction waits for a lock")
		}
		return nil
	})
}

// The store writes two outcomes in one transaction, in the order of their ids. The rival locks the
// same rows in the other order, and waits for its lock longer than the store does.
func TestDeadlocksAreRetried(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s := open(t, postgres.Options{URL: url})
	a, b, list := pair(t, s)
	r := newRival(t, url)
	r.do(`SET deadlock_timeout = '1h'`)
	r.do(`BEGIN`)
	r.do(touch, b.String())
	recorded := make(chan error, 1)
	go func() { recorded <- s.Record(context.Background(), list) }()
	r.awaitBlocked()
	r.do(touch, a.String()) // now there is a deadlock, and PostgreSQL cancels the store's transaction
	r.do(`COMMIT`)
	wantRecorded(t, s, recorded, list)
	await.NoError(t, func() error { // the server counts with a delay
		if n := query[int](t, url, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`)[0]; n == 0 {
			return errors.New("there was no deadlock")
		}
		return nil
	})
}

// At a stricter isolation level, which an operator may have chosen, transactions fail because of
// concurrent changes. The store repeats them.
func TestSerializationFailuresAreRetried(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			url := server.Database(t, template)
			query[string](t, url, fmt.Sprintf(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET default_transaction_isolation = ''%s''', current_database()); END $$`, level))
			s := open(t, postgres.Options{URL: url})
			_, b, list := pair(t, s)
			r := newRival(t, url)
			r.do(`BEGIN`)
			r.do(touch, b.String())
			recorded := make(chan error, 1)
			go func() { recorded <- s.Record(context.Background(), list) }()
			r.awaitBlocked()
			r.do(`COMMIT`)
			wantRecorded(t, s, recorded, list)
		})
	}
}

// pair is two deliveries with an outcome each.
func pair(t *testing.T, s *postgres.Store) (a, b event.ID, list []event.Settlement) {
	t.Helper()
	sub := subscribed(t, s)
	for i := range 2 {
		at := time.Now().Add(time.Duration(i) * 10 * time.Millisecond)
		d := accept(t, s, offer(sub.ID, at))
		list = append(list, event.Settle(d, event.Outcome{StartedAt: at, StatusCode: 200}, nil, at, 0.5))
	}
	return list[0].Delivery.ID, list[1].Delivery.ID, list
}

func wantRecorded(t *testing.T, s *postgres.Store, recorded chan error, list []event.Settlement) {
	t.Helper()
	if err := <-recorded; err != nil {
		t.Errorf("an outcome that lost against another transaction: %v", err)
	}
	for _, one := range list {
		got, err := s.Delivery(t.Context(), one.Delivery.ID)
		if err != nil || got.Delivery.Status != event.Delivered || len(got.Attempts) != 1 {
			t.Errorf("%v, %v with %d attempts; want it delivered by one", err, got.Delivery.Status, len(got.Attempts))
		}
	}
}

// Stray attempts are written in one transaction. It locks their deliveries in the order of the
// ids, and not in the order of the attempts, so that it does not conflict with settlements.
func TestStraysLockInOrder(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s := open(t, postgres.Options{URL: url})
	a, b, list := pair(t, s)
	if err := s.Record(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	var late []event.Settlement
	for _, one := range []event.Settlement{list[1], list[0]} {
		d := one.Delivery
		d.Status, d.Attempts, d.DeliveredAt, d.SettledAt = event.Pending, 0, time.Time{}, time.Time{}
		late = append(late, event.Settle(d, event.Outcome{StartedAt: time.Now(), StatusCode: 500, Code: event.CodeStatus}, nil, time.Now(), 0.5))
	}
	r := newRival(t, url)
	r.do(`BEGIN`)
	r.do(touch, a.String())
	recorded := make(chan error, 1)
	go func() { recorded <- s.Record(context.Background(), late) }()
	r.awaitBlocked()
	r.do(`SELECT FROM deliveries WHERE id = $1::uuid FOR UPDATE NOWAIT`, b.String())
	r.do(`COMMIT`)
	if err := <-recorded; err != nil {
		t.Errorf("attempts that came late: %v", err)
	}
	for _, id := range []event.ID{a, b} {
		got, err := s.Delivery(t.Context(), id)
		if err != nil || got.Delivery.Status != event.Delivered || got.Delivery.Stray != 1 || len(got.Attempts) != 2 {
			t.Errorf("%v, %+v with %d attempts; want it delivered, with the late attempt on record", err, got.Delivery, len(got.Attempts))
		}
	}
}
