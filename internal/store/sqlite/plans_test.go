package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/store/sqlite"
)

func openSQL(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Statements that need few rows of a large table find them by an index that contains no others.
func TestPlansUseThePartialIndexes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hookferry.db")
	reopen(t, path)
	db := openSQL(t, path)
	for _, c := range []struct{ what, query, want string }{
		{
			"events of a tenant", `SELECT seq FROM events WHERE tenant_no <> 0 AND tenant_no = ? ORDER BY seq DESC`,
			"events_tenant (tenant_no=?)",
		},
		{
			"events without deliveries that expire", `SELECT seq FROM events WHERE delivery_count = 0 AND id < ? ORDER BY id LIMIT ?`,
			"events_without_deliveries (id<?)",
		},
		{
			"failed deliveries of a subscription", `SELECT id FROM deliveries WHERE status = 2 AND subscription_id = ? ORDER BY id`,
			"deliveries_failed_of (subscription_id=?)",
		},
		{
			"failed deliveries", `SELECT id FROM deliveries WHERE status = 2 AND id > ? ORDER BY id`,
			"deliveries_failed (id>?)",
		},
		{
			"deliveries that ended without an attempt", `SELECT id FROM deliveries WHERE attempts = 0 AND status >= 2 AND subscription_id = ? ORDER BY id`,
			"deliveries_unattempted (subscription_id=?)",
		},
		{
			"deliveries that expire", `SELECT id, event_seq FROM deliveries WHERE id < ? AND status <> 0 AND settled_at < ? ORDER BY id LIMIT ?`,
			"PRIMARY KEY (id<?)",
		},
		{
			"deliveries of an event", sqlite.EventDeliveries,
			"SEARCH d USING PRIMARY KEY (id>? AND id<?)",
		},
		{
			"other deliveries of an event", sqlite.DeleteEmptyEvent,
			"SEARCH d USING PRIMARY KEY (id>? AND id<?)",
		},
	} {
		plan := explain(t, db, c.query)
		if !strings.Contains(plan, c.want) || strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s: the plan is\n%s\nwant %s, no scan and no sort", c.what, plan, c.want)
		}
	}
}

func explain(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	parameters := make([]any, strings.Count(query, "?"))
	if strings.Contains(query, "?1") {
		parameters = make([]any, 5)
	}
	rows, err := db.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query, parameters...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "\n")
}
