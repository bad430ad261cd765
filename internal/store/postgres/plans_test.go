package postgres

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/pgtest"
)

// planned is a statement and the indexes that must be in its plan.
type planned struct {
	name, sql string
	args      []any
	uses      []string
}

// planRows is how many deliveries the plans are made for; a quick run of the tests makes a tenth.
const planRows = 1_000_000

// TestPlans checks that every frequent statement finds its rows by an index, with a million
// deliveries and 20,000 subscriptions, each with pending deliveries.
func TestPlans(t *testing.T) {
	server, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Remove()
	s, err := Open(t.Context(), Options{URL: server.URL("postgres")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fill(t, s)

	now, id := time.Now(), event.NewID(time.Now())
	some := ids{id, event.NewID(now)}
	n := len(some)
	busy := ids{{6: 0x70, 8: 0xa0, 15: 1}, {6: 0x70, 8: 0xa0, 15: 2}} // as fill makes them
	col := func() (times, ints, texts, blobs) {
		return make(times, n), make(ints, n), make(texts, n), make(blobs, n)
	}
	ts, is, xs, bs := col()
	for i := range bs {
		bs[i] = []byte{1}
	}
	here := writesIn(windowOf(id))
	attempt := []any{some, some, some, ts, make(longs, n), is, is, is, is, is, is, xs, xs, xs, bs}
	attempt = attempt[:len(attempt):len(attempt)] // so that append copies it
	publish := []any{some, some, some, ts, ts, nullTimes(ts), nullTexts(xs), some, ts, xs, xs, bs, is, is, is, make(shorts, n), nullTimes(ts), make(longs, n), make(longs, n), make(longs, n), bs, bs, is, xs, xs, make(shorts, n)}
	tenant := int64(0)
	list := func(name string, q event.SubscriptionQuery, index string) planned {
		q.Limit = 50
		sql, args := listSubscriptions(q)
		return planned{name, sql, args, []string{index}}
	}
	byName := func(q event.SubscriptionQuery) event.SubscriptionQuery {
		q.Order = event.OrderName
		return q
	}
	middle := event.SubscriptionPosition{Name: "name 5", ID: busy[0]}
	for _, tt := range []planned{
		{"store published events", everywhere.publish, publish, []string{"subscriptions_pkey", "tenants_pkey"}},
		{"store published events of a window", here.publish, publish, []string{"subscriptions_pkey", "tenants_pkey"}},
		{"why an event was refused", whyRefusedSQL, []any{int64(0), []byte{1}}, []string{"tenants_pkey", "event_keys_pkey"}},
		{"which subscription is gone", goneSQL, []any{some}, []string{"subscriptions_pkey"}},
		{"lock a tenant to match", lockForMatchSQL, []any{int64(0)}, []string{"tenants_pkey"}},
		{"changes of a tenant", changesSQL, []any{int64(0), int64(5), 100}, []string{"subscriptions_tenant_version"}},
		{"a tenant", tenantByID, []any{"default"}, []string{"tenants_id"}},
		{"tenants after one", tenantsAfterSQL, []any{"a", 50}, []string{"tenants_id"}},
		{"tenants before one", tenantsBeforeSQL, []any{"z", 50}, []string{"tenants_id"}},
		{"subscriptions of deleted tenants", orphansSQL, []any{50}, []string{"tenants_deleted", "subscriptions_tenant"}},
		{"lock tenants", lockTenantsOfSQL, []any{busy}, []string{"tenants_pkey", "subscriptions_pkey"}},
		{"count a tenant's subscriptions", countSQL, []any{int64(0), 900}, []string{"subscriptions_tenant"}},
		{"a subscription by its uid", subscriptionOfSQL, []any{int64(0), "uid 7"}, []string{uidIndex}},
		{"expire keys of events", expireKeysSQL("event_keys"), []any{now, 100}, []string{"event_keys_age"}},
		{"revoke the keys of a tenant", revokeKeysOfSQL, []any{int64(5), now}, nil},
		{"event types since a version", typesSinceSQL, []any{int64(4900)}, []string{"event_types_version"}},
		{"event types after a name", listEventTypesSQL, []any{"a", 50}, []string{"event_types_pkey"}},
		{"store new events", everywhere.insert, []any{some, some, some, ts, ts, nullTimes(ts), nullTexts(xs), some, ts, xs, xs, bs, is, is, is}, []string{"subscriptions_pkey"}},
		{"take keys", takeKeysSQL, []any{some, bs, bs, some, some, ts}, []string{"subscriptions_pkey"}},
		{"read keys", readKeysSQL, []any{some, bs}, []string{"idempotency_keys_pkey"}},
		{"store new events of a window", here.insert, []any{some, some, some, ts, ts, nullTimes(ts), nullTexts(xs), some, ts, xs, xs, bs, is, is, is}, []string{"subscriptions_pkey"}},
		{"settle in a window", here.settle, append(attempt, make(shorts, n), ts, nullTimes(ts), is, is), []string{"pkey"}},
		{"insert attempts in a window", here.attempt, attempt, nil},
		{"settle", everywhere.settle, append(attempt, make(shorts, n), ts, nullTimes(ts), is, is), []string{"pkey"}},
		{"insert attempts", everywhere.attempt, attempt, nil},
		{"renew", renewSQL, []any{some, xs, now}, []string{"pkey"}},
		{"release", releaseSQL, []any{some, xs}, []string{"pkey"}},
		{"rescue", rescueSQL, []any{now.Add(-time.Minute), now, maxRescue}, []string{"leased_until_idx", "pkey"}},
		{"all that is due", dueAllSQL, []any{now, 100}, []string{"due_at_subscription_id_id_idx", "subscriptions_pkey"}},
		{"what is due next", nextDueSQL, []any{now}, []string{"due_at_subscription_id_id_idx"}},
		{"walk", walkSQL, []any{uuid(event.ID{}), uuid(last), 100}, []string{"subscription_id_due_at_id_idx", "subscriptions_pkey"}},
		{"lock a share", shareSQL, []any{is, busy, is, ints{50, 50}, times{now, now}}, []string{"subscription_id_due_at_id_idx"}},
		{"park", parkSQL, []any{some, event.ParkedUntil}, []string{"pkey"}},
		{"park those of subscriptions", parkOfSQL, []any{busy, times{now.Add(-time.Hour), now.Add(-time.Hour)}, event.ParkedUntil, now, 50}, []string{"subscription_id_due_at_id_idx"}},
		{"walk what is parked", walkParkedSQL, []any{uuid(event.ID{}), 100}, []string{"subscription_id_due_at_id_idx", "subscriptions_pkey"}},
		{"unpark", unparkSQL, []any{uuid(busy[0]), now, 100}, []string{"subscription_id_due_at_id_idx"}},
		{"lease", nameTables(leaseSQL, suffix(windowOf(id))), []any{some, "a", now}, []string{"pkey"}},
		{"read a delivery", deliverySQL, []any{uuid(id)}, []string{"pkey"}},
		{"find an event's deliveries", eventDeliveriesSQL, []any{uuid(id), uuid(id), uuid(id), 3}, []string{"pkey"}},
		{"its attempts", attemptsOfSQL, []any{uuid(id)}, []string{"pkey"}},
		{"list attempts", listReportsSQL, []any{uuid(busy[0]), uuid(last), 50}, []string{"subscription_id_id_idx", "pkey"}},
		{"read a subscription", subscriptionSQL, []any{uuid(id)}, []string{"subscriptions_pkey"}},
		list("list subscriptions", event.SubscriptionQuery{}, "subscriptions_pkey"),
		list("list subscriptions after one", event.SubscriptionQuery{After: middle}, "subscriptions_pkey"),
		list("list subscriptions before one", event.SubscriptionQuery{Before: middle}, "subscriptions_pkey"),
		list("list subscriptions of a tenant", event.SubscriptionQuery{TenantNo: &tenant}, "subscriptions_tenant"),
		list("list subscriptions of a tenant after one", event.SubscriptionQuery{TenantNo: &tenant, After: middle}, "subscriptions_tenant"),
		list("list subscriptions of a tenant before one", event.SubscriptionQuery{TenantNo: &tenant, Before: middle}, "subscriptions_tenant"),
		list("list subscriptions by name", byName(event.SubscriptionQuery{}), "subscriptions_name"),
		list("list subscriptions by name after one", byName(event.SubscriptionQuery{After: middle}), "subscriptions_name"),
		list("list subscriptions by name before one", byName(event.SubscriptionQuery{Before: middle}), "subscriptions_name"),
		list("list subscriptions of a tenant by name", byName(event.SubscriptionQuery{TenantNo: &tenant}), "subscriptions_tenant_name"),
		list("list subscriptions of a tenant by name after one", byName(event.SubscriptionQuery{TenantNo: &tenant, After: middle}), "subscriptions_tenant_name"),
		list("list subscriptions of a tenant by name before one", byName(event.SubscriptionQuery{TenantNo: &tenant, Before: middle}), "subscriptions_tenant_name"),
		{"cancel unleased deliveries", cancelSQL + "NULL", []any{now, uuid(id)}, []string{"subscription_id_due_at_id_idx"}},
		{"cancel leased deliveries", cancelSQL + "NOT NULL", []any{now, uuid(id)}, []string{"leased_until_idx"}},
		{"what is old", oldSQL, []any{uuid(id), now, 100}, []string{"pkey"}},
		{"expire events without deliveries left", bareEventsSQL, rangesOf(some), []string{"pkey"}},
		{"expire events that had none", withoutSQL, []any{uuid(last), 100}, []string{"id_idx", "pkey"}},
		{"which attempts are not on record", unrecordedSQL, []any{some, some}, []string{"pkey"}},
		{"is an attempt on record", recordedSQL, []any{uuid(id), uuid(id)}, []string{"pkey"}},
		{"lock a delivery", lockDeliverySQL, []any{uuid(id)}, []string{"pkey"}},
		{"lock deliveries", lockDeliveriesSQL, []any{some}, []string{"pkey"}},
		{"write a delivery", writeDeliverySQL, []any{uuid(id), int16(0), 1, now, nil, nil, nil, nil, 1, 1, 0}, []string{"pkey"}},
		{"is a subscription active", isActiveSQL, []any{uuid(id)}, []string{"subscriptions_pkey"}},
		{"note that a window was touched", touchWindowSQL, []any{now, now}, []string{"window_touched_pkey"}},
		{"was a window touched", wasTouchedSQL, []any{now, now}, []string{"window_touched_pkey"}},
		{"cancel what is inactive", forgottenSQLs[0], []any{now, now, uuid(id), 100}, []string{"subscription_id_due_at_id_idx", "pkey", "subscriptions_inactive"}},
		{"cancel what is inactive and parked", forgottenSQLs[1], []any{now, now, uuid(id), 100}, []string{"subscription_id_due_at_id_idx", "pkey"}},
		{"cancel what is paused", forgottenSQLs[2], []any{now, now, uuid(id), 100}, []string{"subscription_id_due_at_id_idx", "subscriptions_paused"}},
		{"cancel what is paused and parked", forgottenSQLs[3], []any{now, now, uuid(id), 100}, []string{"subscription_id_due_at_id_idx", "subscriptions_paused"}},
		{"expire keys", expireKeysSQL("idempotency_keys"), []any{now, 100}, []string{"idempotency_keys_age"}},
		{"find a key", keyByHashSQL, []any{make([]byte, 32)}, []string{"api_keys_hash_key"}},
		{"what is refused", storedSQL, []any{some}, []string{"pkey"}},
		{"what is pending in a window", pendingIn(now.UTC().Truncate(window)), nil, []string{"due_at", "leased_until_idx"}},
	} {
		plan := explain(t, s, tt.sql, tt.args)
		for _, index := range tt.uses {
			if !strings.Contains(plan, index) {
				t.Errorf("%s: no index %q in the plan:\n%s", tt.name, index, plan)
			}
		}
		if seq := scans.FindString(plan); seq != "" && tt.name != "find a key" {
			t.Errorf("%s: %s in the plan:\n%s", tt.name, seq, plan)
		}
		if each := eachOfAll.FindString(plan); each != "" {
			t.Errorf("%s looks for each id among all, %s in the plan:\n%s", tt.name, each, plan)
		}
		for _, rows := range actual.FindAllStringSubmatch(plan, -1) {
			if n, _ := strconv.Atoi(rows[1]); n > mostRows {
				t.Errorf("%s goes through %d rows:\n%s", tt.name, n, plan)
			}
		}
		if os.Getenv("PLANS") != "" {
			t.Logf("%s\n%s", tt.name, plan)
		}
	}
}

// scans are steps that no plan may have: sequential scans of a table that grows.
var scans = regexp.MustCompile(`Seq Scan on (events|deliveries|delivery_attempts|subscriptions|idempotency_keys|event_keys|event_types|tenants)\w*`)

// eachOfAll matches a step that searches all rows for each id, that compares each row with each
// other (which takes 65,536 steps for a batch of 256), or that reads a whole table.
var eachOfAll = regexp.MustCompile(`\(id = \w+\.id\) AND \(id = ANY|Join Filter: .*\bid = |Index Scan using \w+pkey on [^\n]*\n\s*(->|Filter)`)

// TestPlansOfBatches checks that a statement about many deliveries takes as long for each of them as
// for a single one. That must not depend on how full the partition was, or seemed to be, when the
// plan was made.
func TestPlansOfBatches(t *testing.T) {
	server, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Remove()
	s, err := Open(t.Context(), Options{URL: server.URL("postgres")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id := event.NewID(time.Now())
	here := writesIn(windowOf(id))
	some := ids{id}
	settlement := append(attemptColumnsOf([]*event.Settlement{{}}), shorts{1}, times{{}}, nullTimes{{}}, ints{0}, ints{0})
	publication := append((&transaction{clock: s.clock}).deliveryColumns(nil), eventColumns(nil)...)
	publication = append(append(publication, settledColumns(nil)...), publishedColumns(nil)...)
	for _, more := range []int{0, 100, 3_000, 30_000} {
		if _, err := s.pool.Exec(t.Context(), `INSERT INTO deliveries (id, event_id, subscription_id, due_at, created_at, attempts, status)
			SELECT overlay($1::text PLACING substr(gen_random_uuid()::text, 15) FROM 15)::uuid, $2, $2, now(), now(), least(1, n % 1000), least(1, n % 1000) FROM generate_series(1, $3) n`, id.String(), uuid(id), more); err != nil {
			t.Fatal(err)
		}
		for _, statistics := range []string{"", "ANALYZE"} {
			if _, err := s.pool.Exec(t.Context(), statistics); err != nil {
				t.Fatal(err)
			}
			for name, q := range map[string]struct {
				sql  string
				args []any
			}{
				"publish in a window": {here.publish, publication},
				"settle in a window":  {here.settle, settlement},
				"settle":              {everywhere.settle, settlement},
				"renew":               {renewSQL, []any{some, texts{""}, time.Now()}},
				"release":             {releaseSQL, []any{some, texts{""}}},
				"lease":               {nameTables(leaseSQL, suffix(windowOf(id))), []any{some, "", time.Now()}},
			} {
				if plan := explain(t, s, q.sql, q.args); eachOfAll.MatchString(plan) {
					t.Errorf("%s, with %d more (%s):\n%s", name, more, statistics, plan)
				}
			}
		}
	}
}

// actual matches the number of rows that a step of a plan has read or removed. With 50,000 waiting
// and 1,000 leased deliveries, the number must be at most 1,000.
var actual = regexp.MustCompile(`(?:actual rows=|Removed by Filter: )(\d+)`)

const mostRows = 1000

// explain runs a statement as the store's sessions do, and returns the plan that was used. EXPLAIN
// would instead make a plan for the given values.
func explain(t *testing.T, s *Store, sql string, args []any) string {
	t.Helper()
	cfg := s.pool.Config().ConnConfig
	var plan strings.Builder
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { plan.WriteString(n.Message) }
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := prepareSession(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "LOAD 'auto_explain'"); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"log_level = notice", "log_min_duration = 0", "log_analyze = on", "log_timing = off"} {
		if _, err := conn.Exec(t.Context(), "SET auto_explain."+setting); err != nil {
			t.Fatal(err)
		}
	}
	plan.Reset()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	_ = tx.Rollback(t.Context()) // ends the statement, after which its plan is logged
	return plan.String()
}

// fill creates the data of three days: settled deliveries in many partitions, of which a few percent
// are pending and a few are leased.
func fill(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	windows := make(map[time.Time]bool)
	for i := range 13 {
		windows[time.Now().UTC().Truncate(window).Add(-time.Duration(i)*window)] = true
	}
	if err := s.ensureWindows(ctx, windows); err != nil {
		t.Fatal(err)
	}
	rows := planRows
	if testing.Short() {
		rows /= 10
	}
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	for _, sql := range []string{
		`CREATE FUNCTION pg_temp.id(ms bigint, n bigint) RETURNS uuid LANGUAGE sql AS
			$$ SELECT (lpad(to_hex(ms), 12, '0') || '7000a000' || lpad(to_hex(n), 12, '0'))::uuid $$`,
		`INSERT INTO tenants (id, name, metadata, limits, created_at, updated_at, deleted_at)
			SELECT 'tenant ' || n, '', '{}', '{}', now(), now(), CASE WHEN n % 100 = 0 THEN now() END FROM generate_series(1, 5000) n`,
		`SET LOCAL hookferry.same_settings = 'yes'`, // 20,000 versions of one tenant take long
		`INSERT INTO subscriptions SELECT pg_temp.id(0, n), 'https://example.com', '', '{}', '{}', false, 'null', n % 100 > 0, now(), '', 0, NULL, 0, 0, now(), now(), NULL
			FROM generate_series(1, 20000) n`,
		`UPDATE subscriptions SET name = 'name ' || abs(hashtext(id::text)) % 100, uid = 'uid ' || substr(id::text, 25), tenant_version = abs(hashtext(id::text))`,
		fmt.Sprintf(`CREATE TEMP TABLE made AS SELECT pg_temp.id(ms, n) AS id, pg_temp.id(0, 1 + n::bigint * 7919 %% 20000) AS sub, to_timestamp(ms / 1000.0) AS at, n
			FROM (SELECT n, (extract(epoch FROM now()) * 1000)::bigint - n::bigint * 72 * 3600 * 1000 / %d AS ms FROM generate_series(1, %[1]d) n) x`, rows),
		`INSERT INTO events SELECT id, at, 'user.created', 'application/json', '{}' FROM made`,
		`INSERT INTO deliveries SELECT id, id, sub, at, at, CASE WHEN n % 1000 = 1 THEN at + interval '72h' END, CASE WHEN n % 20 > 1 THEN at END, 1,
			CASE WHEN n % 20 > 1 THEN 1 ELSE 0 END, CASE WHEN n % 1000 = 1 THEN 'a' END FROM made`,
		`INSERT INTO delivery_attempts SELECT id, id, sub, at, 1, 0, 0, 0, 0, 1, 200, '', '', '', 'ok' FROM made`,
		`INSERT INTO idempotency_keys SELECT sub, int8send(n), '', id, id, at FROM made WHERE n % 10 = 0`,
		`INSERT INTO event_keys SELECT n % 5000, int8send(n), '', id, 1, 0, at FROM made WHERE n % 10 = 0`,
		`INSERT INTO event_types SELECT 'type ' || n, '', '', '', now(), now(), NULL, n FROM generate_series(1, 5000) n`,
		`ANALYZE`,
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
}
