package postgres_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
)

func TestNameTables(t *testing.T) {
	for _, tt := range []struct {
		name, sql, suffix, want string // want is "" if the statement is refused
	}{
		{"a partition", "INSERT INTO {events} (id)", "_p1", "INSERT INTO events_p1 (id)"},
		{"the table itself", "INSERT INTO {events} (id)", "", "INSERT INTO events (id)"},
		{"two tables", "{deliveries} {delivery_attempts}", "_p1", "deliveries_p1 delivery_attempts_p1"},
		{"a line break after it", "UPDATE\n{deliveries}\nSET", "_p1", "UPDATE\ndeliveries_p1\nSET"},
		{"a name that is no placeholder stays", "{events} events", "_p1", "events_p1 events"},
		{"a table that has no partitions", "{events} {subscriptions}", "_p1", ""},
		{"a mistyped table", "UPDATE {delivery}", "_p1", ""},
		{"half a placeholder", "{events} {deliveries", "_p1", ""},
		{"no placeholder, so no partition", "UPDATE deliveries", "_p1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			func() {
				defer func() { _ = recover() }()
				got = postgres.NameTables(tt.sql, tt.suffix)
			}()
			if got != tt.want {
				t.Errorf("NameTables(%q, %q) is %q, want %q", tt.sql, tt.suffix, got, tt.want)
			}
		})
	}
}

// partitioned matches the name of a partitioned table, where a table's name is expected, and what
// follows it.
var partitioned = regexp.MustCompile(`\b(?:INTO|FROM|UPDATE|JOIN|TABLE|ONLY)\s+(?:events|deliveries|delivery_attempts)(\w*)`)

// A statement that names a table instead of a partition works, but each additional partition makes
// it slower. So this test checks each name in the statements.
func TestWritesNameOnlyTheirPartition(t *testing.T) {
	suffix, statements := postgres.WritesIn(time.Now())
	for _, sql := range statements {
		for _, name := range partitioned.FindAllStringSubmatch(sql, -1) {
			if name[1] != suffix {
				t.Errorf("the statement names %s, want names that end in %s:\n%s", name[0], suffix, sql)
			}
		}
	}
}

// The tables and all other partitions are locked against writing. A commit that used one of them,
// or only prepared a statement on it, would wait and fail.
func TestCommitTouchesOnlyItsPartition(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s := open(t, postgres.Options{URL: url})
	sub := subscribed(t, s)
	at := time.Now()
	suffix, _ := postgres.WritesIn(at)

	var others []string
	for _, parent := range []string{"events", "deliveries", "delivery_attempts"} {
		others = append(others, parent)
		partitions := partitionsOf(t, url, parent)
		if !slices.Contains(partitions, parent+suffix) || len(partitions) < 2 {
			t.Fatalf("%s has the partitions %v, want %s%s and others", parent, partitions, parent, suffix)
		}
		for _, partition := range partitions {
			if !strings.HasSuffix(partition, suffix) {
				others = append(others, partition)
			}
		}
	}
	lock(t, url, others)

	d := accept(t, s, offer(sub.ID, at))
	deliver(t, s, d, at)
	d = accept(t, s, published(t, s, event.DefaultTenant, "key-1", sub.ID))
	deliver(t, s, d, at)
}

// lock locks tables against writing until the test ends. Reading a table's definition, which a
// session does once for the table of its partition, is still possible.
func lock(t *testing.T, url string, tables []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if _, err := conn.Exec(t.Context(), "LOCK TABLE ONLY "+table+" IN EXCLUSIVE MODE"); err != nil {
			t.Fatal(err)
		}
	}
}
