package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// notCopied are the tables and columns that the script in docs/operate.md does not copy to
// PostgreSQL, with the reason.
var notCopied = map[string]string{
	"events":                   "the old installation delivers what it has",
	"deliveries":               "the same",
	"delivery_attempts":        "the same",
	"idempotency_keys":         "producers finish their repeats before they switch",
	"filed":                    "it is about deliveries",
	"subscription_health":      "each installation learns it by its own attempts",
	"goose_db_version":         "the new database has its own",
	"sqlite_sequence":          "it is SQLite's own",
	"subscriptions.checksum":   "it is about the SQLite file",
	"subscriptions.deleted_at": "deleted ones are left behind",
	"api_keys.used_at":         "it is recorded again",
}

// A column that the script does not name would be lost silently, for instance a setting.
func TestScriptToPostgreSQLNamesEveryColumn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hookferry.db")
	reopen(t, path)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	text, err := os.ReadFile("../../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, found := strings.Cut(string(text), "umask 077; sqlite3 -readonly")
	script, _, ended := strings.Cut(script, "psql ")
	if !found || !ended {
		t.Fatal("the script is not where it was")
	}
	words := strings.FieldsFunc(script, func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz_", r) })
	rows, err := db.QueryContext(t.Context(), `SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'`)
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
		if notCopied[table] != "" || notCopied[table+"."+column] != "" {
			continue
		}
		if !slices.Contains(words, table) || !slices.Contains(words, column) {
			t.Errorf("docs/operate.md does not copy %s.%s to PostgreSQL, and notCopied does not say why", table, column)
		}
	}
	if err := rows.Err(); err != nil || n < 30 {
		t.Errorf("%d columns, %v", n, err)
	}
}
