package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// leftOut are the columns that a copy does not have, because another column has the same data or
// because only SQLite needs them.
var leftOut = map[string][]string{
	"events":        {"seq", "delivery_id", "subscription_id", "lease_owner", "leased_until", "checksum"},
	"deliveries":    {"event_seq"},
	"subscriptions": {"checksum"},
}

// A copy must contain each column that a migration adds, or list it in leftOut.
func TestACopyHasEveryColumn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	copied := map[string][]string{"goose_db_version": nil, "sqlite_sequence": nil, "filed": nil}
	for _, step := range store.CopySteps() {
		copied[step.Table] = slices.Clone(leftOut[step.Table])
		for _, c := range step.Columns {
			copied[step.Table] = append(copied[step.Table], c.Name)
		}
	}
	rows, err := db.QueryContext(t.Context(), `SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		if columns, known := copied[table]; !known || columns != nil && !slices.Contains(columns, column) {
			t.Errorf("%s.%s is not in a copy: add it to store.CopySteps or to leftOut", table, column)
		}
	}
	if rows.Err() != nil || n < 60 {
		t.Errorf("%d columns were found, %v", n, rows.Err())
	}
}
