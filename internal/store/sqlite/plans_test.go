package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
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
		wantPlan(t, db, c.what, c.query, c.want)
	}
}

// A page of tenants, event types or subscriptions is a range of an index, in the index's order.
func TestPlansOfListsUseAnIndex(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hookferry.db")
	reopen(t, path)
	db := openSQL(t, path)
	no := int64(7)
	at := event.SubscriptionPosition{Name: "a", ID: event.NewID(time.Now())}
	for order, tenants := range map[event.SubscriptionOrder]map[string]*int64{
		event.OrderCreated: {"USING PRIMARY KEY (id": nil, "subscriptions_of (tenant_no=? AND id": &no},
		event.OrderName:    {"subscriptions_by_name (name": nil, "subscriptions_of_by_name (tenant_no=? AND name": &no},
	} {
		for index, tenant := range tenants {
			for _, q := range []event.SubscriptionQuery{{}, {After: at}, {Before: at}} {
				q.Order, q.TenantNo = order, tenant
				for _, query := range sqlite.ListStatements(q) {
					wantPlan(t, db, "a page of subscriptions", query, index)
				}
			}
		}
	}
	for _, c := range []struct{ what, query, want string }{
		{"the changes of a tenant", sqlite.ChangesAfter(7), "subscriptions_changed (tenant_no=? AND tenant_version>?)"},
		{"all subscriptions of a tenant by version", sqlite.ChangesAfter(0), "subscriptions_changed (tenant_no=? AND tenant_version>?)"},
		{"a subscription by its uid", sqlite.ByUID, "subscriptions_uid (tenant_no=? AND uid=?)"},
		{"the number of a tenant's subscriptions", `SELECT count(*) FROM subscriptions WHERE tenant_no = ? AND deleted_at = 0`, "COVERING INDEX subscriptions_of"},
		{"a page of tenants", sqlite.TenantsAfter, "tenants_id (id>?)"},
		{"a page of tenants backwards", sqlite.TenantsBefore, "tenants_id (id<?)"},
		{"deleted tenants", sqlite.Orphans, "tenants_deleted (deleted_at>?)"},
		{"subscriptions of deleted tenants", sqlite.Orphans, "subscriptions_of (tenant_no=?)"},
		{"a page of event types", sqlite.EventTypesAfter, "(name>?)"},
		{"the changes of the event types", sqlite.TypesSince, "event_types_changed (version>?)"},
		{"keys of events that expire", `DELETE FROM event_keys WHERE created_at < ?`, "event_keys_age (created_at<?)"},
	} {
		wantPlan(t, db, c.what, c.query, c.want)
	}
	plan := explain(t, db, sqlite.DeleteEmptyTenants)
	for _, want := range []string{"tenants_deleted (deleted_at>? AND deleted_at<?)", "events_tenant (tenant_no=?)", "k USING PRIMARY KEY (tenant_no=?)"} {
		if !strings.Contains(plan, want) {
			t.Errorf("tenants of which nothing is left: the plan is\n%s\nwant %s", plan, want)
		}
	}
}

// wantPlan fails the test unless SQLite finds the rows as wanted, without a scan or a sort.
func wantPlan(t *testing.T, db *sql.DB, what, query, want string) {
	t.Helper()
	plan := explain(t, db, query)
	if !strings.Contains(plan, want) || strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") {
		t.Errorf("%s: the plan is\n%s\nwant %s, no scan and no sort", what, plan, want)
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
