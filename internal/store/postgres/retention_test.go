package postgres_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
)

// query runs a statement directly on the database and returns its only column.
func query[T any](t testing.TB, url, sql string, args ...any) []T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return list
}

func partitionsOf(t testing.TB, url, table string) []string {
	return query[string](t, url, `SELECT relname::text FROM pg_inherits JOIN pg_class ON oid = inhrelid
		WHERE inhparent = $1::text::regclass ORDER BY 1`, table)
}

// subscribed returns a subscription in the store.
func subscribed(t testing.TB, s *postgres.Store) event.Subscription {
	t.Helper()
	now := time.Now()
	sub := event.Subscription{ID: event.NewID(now), TargetURL: "http://127.0.0.1:9/", Active: true, CreatedAt: now, UpdatedAt: now}
	if err := s.CreateSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	return sub
}

func offer(sub event.ID, at time.Time) event.Acceptance {
	id := event.NewID(at)
	return event.Acceptance{
		Event:      event.Event{ID: id, Type: "user.created", ContentType: "application/json", Payload: []byte(`{}`), CreatedAt: at},
		Deliveries: []event.Delivery{{ID: event.DeliveryID(id, sub), EventID: id, SubscriptionID: sub, DueAt: at, CreatedAt: at}},
	}
}

func accept(t testing.TB, s *postgres.Store, a event.Acceptance) event.Delivery {
	t.Helper()
	if _, err := s.Accept(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a.Deliveries[0]
}

func deliver(t testing.TB, s *postgres.Store, d event.Delivery, at time.Time) {
	t.Helper()
	settlement := event.Settle(d, event.Outcome{StartedAt: at, StatusCode: 200}, nil, at, 0.5)
	if err := s.Record(t.Context(), []event.Settlement{settlement}); err != nil {
		t.Fatal(err)
	}
}

// A node whose clock is far off creates ids for which there are no partitions yet.
func TestAnyClockIsTakenIn(t *testing.T) {
	t.Parallel()
	s := open(t, postgres.Options{})
	sub := subscribed(t, s)
	for _, at := range []time.Time{
		time.Unix(0, 0), time.Now().Add(-30 * 24 * time.Hour), time.Now().Add(30 * 24 * time.Hour), time.Date(2399, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		d := accept(t, s, offer(sub.ID, at))
		deliver(t, s, d, at)
		got, err := s.Delivery(t.Context(), d.ID)
		if err != nil || got.Delivery.Status != event.Delivered || len(got.Attempts) != 1 {
			t.Errorf("an event of %v: %+v, %v", at, got, err)
		}
	}
}

func TestPartitionsAreMadeAhead(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s := open(t, postgres.Options{URL: url})
	for _, table := range []string{"events", "deliveries", "delivery_attempts"} {
		if got := partitionsOf(t, url, table); len(got) < 6 {
			t.Errorf("%s has the partitions %v, want the present, one before and four ahead", table, got)
		}
	}
	tomorrow := time.Now().Add(48 * time.Hour)
	if err := s.EnsurePartitions(t.Context(), tomorrow); err != nil {
		t.Fatal(err)
	}
	want := "deliveries" + tomorrow.UTC().Truncate(6*time.Hour).Format("_p20060102_15")
	if got := partitionsOf(t, url, "deliveries"); !slices.Contains(got, want) {
		t.Errorf("the partitions are %v, want %s among them", got, want)
	}
}

// expireAll calls Expire until it returns 0.
func expireAll(t *testing.T, s *postgres.Store, keep time.Duration) int {
	t.Helper()
	sum := 0
	for range 100 {
		now := time.Now()
		n, err := s.Expire(t.Context(), now.Add(-keep), now, 3)
		if err != nil {
			t.Fatal(err)
		}
		if sum += n; n == 0 {
			return sum
		}
	}
	t.Fatal("Expire never returns 0")
	return 0
}

func TestRetentionDropsWholePartitions(t *testing.T) {
	t.Parallel()
	const keep = 72 * time.Hour
	url := server.Database(t, template)
	s := open(t, postgres.Options{URL: url})
	sub := subscribed(t, s)
	old, held, young := time.Now().Add(-10*24*time.Hour), time.Now().Add(-8*24*time.Hour), time.Now().Add(-keep+time.Hour)
	late := time.Now().Add(-6 * 24 * time.Hour)
	name := func(at time.Time) string {
		return "deliveries" + at.UTC().Truncate(6*time.Hour).Format("_p20060102_15")
	}
	var gone []event.ID
	for range 10 {
		d := accept(t, s, offer(sub.ID, old))
		deliver(t, s, d, old)
		gone = append(gone, d.ID)
	}
	waiting := accept(t, s, offer(sub.ID, held))
	beside := accept(t, s, offer(sub.ID, held))
	deliver(t, s, beside, held)
	gone = append(gone, beside.ID)
	recent := accept(t, s, offer(sub.ID, young))
	deliver(t, s, recent, young)
	settledLate := accept(t, s, offer(sub.ID, late))
	deliver(t, s, settledLate, time.Now().Add(-time.Hour))

	if n := expireAll(t, s, keep); n != 11 {
		t.Errorf("expired %d deliveries, want 11", n)
	}
	for _, id := range gone {
		if _, err := s.Delivery(t.Context(), id); err == nil {
			t.Errorf("delivery %v is still there", id)
		}
	}
	for what, id := range map[string]event.ID{"pending": waiting.ID, "recent": recent.ID, "settled late": settledLate.ID} {
		if _, err := s.Delivery(t.Context(), id); err != nil {
			t.Errorf("the delivery that is %s: %v", what, err)
		}
	}
	left := strings.Join(partitionsOf(t, url, "deliveries"), " ")
	if strings.Contains(left, name(old)) {
		t.Errorf("the partition with only settled deliveries was not dropped: %s", left)
	}
	for _, at := range []time.Time{held, young, late} {
		if !strings.Contains(left, name(at)) {
			t.Errorf("the partition %s was dropped, although it has a delivery to keep: %s", name(at), left)
		}
	}
	claim, err := s.Claim(t.Context(), event.ClaimRequest{Owner: "a", Now: time.Now(), Until: time.Now().Add(time.Minute), Limit: 10, Capacity: 10})
	if err != nil || len(claim.Deliveries) != 1 || claim.Deliveries[0].Delivery.ID != waiting.ID {
		t.Errorf("claimed %+v, %v; want the pending delivery", claim, err)
	}
	deliver(t, s, waiting, held)
	if n := expireAll(t, s, keep); n != 1 || strings.Contains(strings.Join(partitionsOf(t, url, "deliveries"), " "), name(held)) {
		t.Errorf("expired %d; the partition whose last delivery has settled must be dropped", n)
	}
}

// hold runs a statement in a transaction that stays open until release is called.
func hold(t *testing.T, url, sql string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "BEGIN; "+sql); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
}

// A slow reader must not make new events wait for the dropping of a partition.
func TestASlowReaderDelaysNoEvents(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s := open(t, postgres.Options{URL: url})
	sub := subscribed(t, s)
	old := time.Now().Add(-10 * 24 * time.Hour)
	deliver(t, s, accept(t, s, offer(sub.ID, old)), old)
	release := hold(t, url, `SELECT count(*) FROM deliveries`)
	now := time.Now()
	if _, err := s.Expire(t.Context(), now.Add(-72*time.Hour), now, 10); err == nil {
		t.Error("Expire dropped a partition that is being read")
	}
	accept(t, s, offer(sub.ID, time.Now()))
	release()
	if n := expireAll(t, s, 72*time.Hour); n != 1 {
		t.Errorf("expired %d when the reader was done, want 1", n)
	}
}
