package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	_ "github.com/jackc/pgx/v5/stdlib" // the database/sql driver "pgx"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/store/sqlite"
	"github.com/hookferry/hookferry/internal/test/release010"
)

// copyOf returns a copy from a SQLite file to a PostgreSQL database.
func copyOf(t *testing.T, path, url string) app.Copy {
	t.Helper()
	return app.Copy{
		From:     config.Database{Engine: config.SQLite, Path: path},
		To:       config.Database{Engine: config.Postgres, URL: event.Secret(url)},
		Settings: config.Config{Retention: 72 * time.Hour},
		Say:      func(sentence string) { t.Log(sentence) },
		Progress: func(app.CopyProgress) {},
	}
}

// wantCopied fails the test unless the copy ends, its account agrees, and a service finds in it what
// it would find in the source.
func wantCopied(t *testing.T, c app.Copy) {
	t.Helper()
	account, err := c.Run(t.Context())
	if err != nil {
		t.Fatalf("%v\n%v", err, account)
	}
	for _, a := range account {
		if a.Source != a.Copy {
			t.Errorf("%s: %d in the source, %d in the copy", a.Kind, a.Source, a.Copy)
		}
	}
	wantSame(t, clone(t, c.From.Path), string(c.To.URL))
}

// clone copies a database that is not in use, so that the copy can be opened as a service does.
func clone(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "hookferry.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(to+suffix, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// wantSame opens both databases as a service does, and compares all that they keep.
func wantSame(t *testing.T, path, url string) {
	t.Helper()
	source, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	target, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, id := range idsIn(t, db, `SELECT id FROM subscriptions`) {
		want, wantErr := source.Subscription(t.Context(), id)
		got, err := target.Subscription(t.Context(), id)
		wantEqual(t, "subscription", want, got, wantErr, err)
	}
	wantKeys, wantErr := source.ListKeys(t.Context())
	gotKeys, err := target.ListKeys(t.Context())
	wantEqual(t, "API keys", wantKeys, gotKeys, wantErr, err)
	for _, id := range idsIn(t, db, `SELECT id FROM all_deliveries`) {
		want, wantErr := source.Delivery(t.Context(), id)
		got, err := target.Delivery(t.Context(), id)
		if want.Delivery.Status != event.Pending { // it has no meaning then
			want.Delivery.DueAt, got.Delivery.DueAt = time.Time{}, time.Time{}
		}
		wantEqual(t, "delivery", want, got, wantErr, err)
	}
	for _, id := range idsIn(t, db, `SELECT id FROM events`) {
		want, wantErr := source.EventDeliveries(t.Context(), id, 100)
		got, err := target.EventDeliveries(t.Context(), id, 100)
		if errors.Is(wantErr, event.ErrNotFound) && errors.Is(err, event.ErrNotFound) {
			wantErr, err = nil, nil
		}
		wantEqual(t, "an event's deliveries", want, got, wantErr, err)
	}
	wantSameTexts(t, db, url)
}

func wantEqual(t *testing.T, what string, want, got any, wantErr, err error) {
	t.Helper()
	if err := errors.Join(wantErr, err); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the %s differs (- source, + copy):\n%s", what, diff)
	}
}

func idsIn(t *testing.T, db *sql.DB, query string) (ids []event.ID) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, event.ID(b))
	}
	if rows.Err() != nil || len(ids) == 0 {
		t.Fatalf("%s: %d ids, %v", query, len(ids), rows.Err())
	}
	return ids
}

// wantSameTexts compares what no method of a store returns: payloads, idempotency keys, and the
// columns that no release uses yet.
func wantSameTexts(t *testing.T, source *sql.DB, url string) {
	t.Helper()
	target, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	for _, q := range []struct{ sqlite, postgres string }{
		{
			`SELECT lower(hex(id)) || type || '|' || content_type || '|' || lower(hex(payload)) || '|' || tenant_no || '|' || delivery_count || '|' || data_at || '|' ||
				data_len || metadata || idempotency_key || traceparent || retry || '|' || created_at FROM events ORDER BY id`,
			`SELECT replace(id::text, '-', '') || type || '|' || content_type || '|' || encode(payload, 'hex') || '|' || tenant_no || '|' || delivery_count || '|' || data_at || '|' ||
				data_len || metadata || idempotency_key || traceparent || retry::int || '|' || (extract(epoch FROM created_at) * 1000000)::bigint FROM events ORDER BY id`,
		},
		{
			`SELECT lower(hex(subscription_id) || hex(CAST(key AS BLOB)) || hex(body_hash) || hex(event_id) || hex(delivery_id)) || created_at FROM idempotency_keys ORDER BY 1`,
			`SELECT replace(subscription_id::text, '-', '') || encode(key, 'hex') || encode(body_hash, 'hex') || replace(event_id::text || delivery_id::text, '-', '') ||
				(extract(epoch FROM created_at) * 1000000)::bigint FROM idempotency_keys ORDER BY 1`,
		},
		{
			`SELECT lower(hex(id)) || settings || CASE inactive_since WHEN 0 THEN created_at ELSE inactive_since END FROM subscriptions ORDER BY 1`,
			`SELECT replace(id::text, '-', '') || settings || (extract(epoch FROM inactive_since) * 1000000)::bigint FROM subscriptions ORDER BY 1`,
		},
	} {
		want, got := textsIn(t, source, q.sqlite), textsIn(t, target, q.postgres)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (- source, + copy):\n%s", q.sqlite, diff)
		}
	}
}

func textsIn(t *testing.T, db *sql.DB, query string) (texts []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return texts
}

func TestCopyOfEveryState(t *testing.T) {
	t.Parallel()
	for reason, path := range map[string]string{"after an end": everyState(t), "after a crash": everyStateCrashed(t)} {
		before := map[string]string{"": "", "-wal": ""}
		for suffix := range before {
			b, _ := os.ReadFile(path + suffix)
			before[suffix] = string(b)
		}
		if (before["-wal"] == "") != (reason == "after an end") {
			t.Errorf("%s the log has %d bytes", reason, len(before["-wal"]))
		}
		wantCopied(t, copyOf(t, path, postgresServer.Database(t, "")))
		for suffix := range before {
			if b, _ := os.ReadFile(path + suffix); string(b) != before[suffix] {
				t.Errorf("%s: the source has changed", reason)
			}
		}
	}
}

// The database of a killed service of release 0.1.0, which this release has upgraded.
func TestCopyOfRelease010(t *testing.T) {
	t.Parallel()
	path, content := release010.SQLite(t)
	url := postgresServer.Database(t, "")
	c := copyOf(t, path, url)
	if _, err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "are from an older release") {
		t.Fatalf("with tables that are not upgraded, the error is %v", err)
	}
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	wantCopied(t, c)
	target, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	content.Check(t, target)
}

// A copy that was interrupted after any batch continues there, and ends like one that was not.
func TestInterruptedCopy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason   string
		breakOff func(t *testing.T, cancel func(), url string)
	}{
		{"between two transactions", func(_ *testing.T, cancel func(), _ string) { cancel() }},
		{"PostgreSQL ends the session", func(t *testing.T, _ func(), url string) { endSessions(t, url) }},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			c := copyOf(t, everyState(t), postgresServer.Database(t, ""))
			c.BatchRows = 20
			runs := 0
			for ; ; runs++ {
				ctx, cancel := context.WithCancel(t.Context())
				batches, most := 0, 1+runs%3
				c.Progress = func(app.CopyProgress) {
					if batches++; batches == most {
						tt.breakOff(t, cancel, string(c.To.URL))
					}
				}
				_, err := c.Run(ctx)
				cancel()
				if err == nil {
					break
				}
				if runs > 100 {
					t.Fatalf("the copy does not end: %v", err)
				}
			}
			if runs < 5 {
				t.Errorf("it was interrupted only %d times", runs)
			}
			c.Progress = func(app.CopyProgress) {}
			wantCopied(t, c) // once more, after it has ended
		})
	}
}

// endSessions ends all other sessions of a database.
func endSessions(t *testing.T, url string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Error(err)
		return
	}
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	if err != nil {
		t.Error(err)
	}
}

// If the source's service has run since the copy was interrupted, the copy starts over.
func TestCopyStartsOverWhenTheSourceHasChanged(t *testing.T) {
	t.Parallel()
	path := everyState(t)
	c := copyOf(t, path, postgresServer.Database(t, ""))
	c.BatchRows = 20
	ctx, cancel := context.WithCancel(t.Context())
	batches := 0
	c.Progress = func(app.CopyProgress) {
		if batches++; batches == 4 {
			cancel()
		}
	}
	if _, err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("the error is %v", err)
	}
	s := openSQLite(t, path)
	sub := newSubscription(t, s)
	if _, err := s.Accept(t.Context(), offer(sub, time.Now())); err != nil {
		t.Fatal(err)
	}
	s.Close()
	var said []string
	c.Say, c.Progress = func(sentence string) { said = append(said, sentence) }, func(app.CopyProgress) {}
	wantCopied(t, c)
	if !strings.Contains(strings.Join(said, "\n"), "starting over") {
		t.Errorf("it says %q", said)
	}
	s = openSQLite(t, path)
	newSubscription(t, s)
	s.Close()
	if _, err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "copy into an empty database") {
		t.Errorf("with a source that has changed since the copy ended, the error is %v", err)
	}
}

func TestCopyRefusesATargetInUse(t *testing.T) {
	t.Parallel()
	path := everyState(t)
	for _, tt := range []struct {
		reason string
		use    func(t *testing.T, s store.Store)
		want   string
	}{
		{"a subscription", func(t *testing.T, s store.Store) { newSubscription(t, s) }, "its table subscriptions has rows"},
		{"an API key", func(t *testing.T, s store.Store) {
			if err := s.CreateKey(t.Context(), event.APIKey{ID: event.NewID(time.Now()), Scope: event.ScopeAdmin, CreatedAt: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}, "its table api_keys has rows"},
		{"events without a subscription", func(t *testing.T, s store.Store) {
			a := offer(event.ID{}, time.Now())
			a.Deliveries = nil
			if _, err := s.Accept(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}, "its table events has rows"},
		{"a complete copy that was changed", func(t *testing.T, s store.Store) {
			t.Helper()
			newSubscription(t, s)
		}, "the two sides differ"},
	} {
		url := postgresServer.Database(t, "")
		if strings.HasPrefix(tt.reason, "a complete copy") {
			wantCopied(t, copyOf(t, path, url))
		}
		s, err := postgres.Open(t.Context(), postgres.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		tt.use(t, s)
		s.Close()
		if _, err := copyOf(t, path, url).Run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: it says %v, want %q", tt.reason, err, tt.want)
		}
	}
}

// A node that runs on the target is noticed, even if the target is empty.
func TestCopyRefusesATargetWithANode(t *testing.T) {
	t.Parallel()
	url := postgresServer.Database(t, "")
	node := start(t, t.TempDir(), "DATABASE_URL="+url)
	c := copyOf(t, everyState(t), url)
	if _, err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "stop the nodes that run on it") {
		t.Errorf("it says %v", err)
	}
	node.stop()
	wantCopied(t, c)
}

func TestCopyRefusesASource(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason  string
		prepare func(t *testing.T, path string)
		want    string
	}{
		{"a service holds it", func(t *testing.T, path string) { openSQLite(t, path) }, "stop the service first"},
		{"it does not exist", func(t *testing.T, path string) { os.Remove(path) }, "no such file"},
		{"it is an empty file", func(t *testing.T, path string) { os.WriteFile(path, nil, 0o600) }, "has no Hookferry tables"},
		{"it is not a database", func(t *testing.T, path string) { os.WriteFile(path, []byte(strings.Repeat("notes ", 1000)), 0o600) }, "is damaged"},
		{"a payload is damaged", func(t *testing.T, path string) { change(t, path, `UPDATE events SET payload = x'00' WHERE seq = 3`) }, "there are events that changed on disk"},
		{"a subscription is damaged", func(t *testing.T, path string) { change(t, path, `UPDATE subscriptions SET target_url = 'x'`) }, "there are subscriptions that changed on disk"},
		{"a delivery has no event", func(t *testing.T, path string) { change(t, path, `DELETE FROM events WHERE seq = 3`) }, "there are deliveries whose event is missing"},
		{"a newer release made it", func(t *testing.T, path string) {
			change(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
		}, "are from a newer release"},
	} {
		path, url := everyState(t), "postgres://127.0.0.1:1/nobody"
		tt.prepare(t, path)
		if _, err := copyOf(t, path, url).Run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: it says %v, want %q", tt.reason, err, tt.want)
		}
	}
}

// change changes a database without the service.
func change(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestCopyGoesFromSQLiteToPostgreSQL(t *testing.T) {
	t.Parallel()
	lite, pg := config.Database{Engine: config.SQLite, Path: "a.db"}, config.Database{Engine: config.Postgres, URL: "postgres://127.0.0.1:1/x"}
	for _, tt := range []struct {
		from, to config.Database
		want     string
	}{
		{lite, lite, "hookferry backup"},
		{pg, pg, "pg_dump"},
		{pg, lite, "there is no copy from PostgreSQL to SQLite"},
	} {
		if _, err := (app.Copy{From: tt.from, To: tt.to}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("from %s to %s: it says %v, want %q", tt.from, tt.to, err, tt.want)
		}
	}
}

// Sealed secrets are copied as they are. A master key that does not decrypt them is a mistake.
func TestCopyOfSealedSecrets(t *testing.T) {
	t.Parallel()
	right, wrong := strings.Repeat("5e", 32), strings.Repeat("e5", 32)
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s := openSQLite(t, path)
	newSubscription(t, store.WithSeal(s, load(t, t.TempDir(), "HOOKFERRY_MASTER_KEY="+right).MasterKeys))
	if _, err := s.Accept(t.Context(), offer(newSubscription(t, s), time.Now())); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, tt := range []struct{ key, want, said string }{
		{wrong, "HOOKFERRY_MASTER_KEY can't decrypt the secrets of 1 subscription(s)", ""},
		{"", "", "the secrets of 1 subscription(s) are encrypted"},
		{right, "", ""},
	} {
		var said []string
		c := copyOf(t, path, postgresServer.Database(t, ""))
		c.Say = func(sentence string) { said = append(said, sentence) }
		if tt.key != "" {
			c.Settings = load(t, t.TempDir(), "HOOKFERRY_MASTER_KEY="+tt.key)
		}
		if tt.want == "" {
			c.To.URL = event.Secret(postgresServer.Database(t, ""))
			wantCopied(t, c)
		} else if _, err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("with the key %q, the error is %v", tt.key, err)
		}
		if text := fmt.Sprint(said); !strings.Contains(text, tt.said) || tt.said == "" && strings.Contains(text, "sealed") {
			t.Errorf("with the key %q it says %q", tt.key, said)
		}
	}
}
