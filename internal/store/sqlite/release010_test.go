package sqlite_test

import (
	"database/sql"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/release010"
)

// TestDatabaseOfRelease010 opens what release 0.1.0 left when it was killed under load. Nothing
// that it acknowledged may be missing.
func TestDatabaseOfRelease010(t *testing.T) {
	path, content := release010.SQLite(t)
	if content.Unfiled == 0 {
		t.Error("the database must contain deliveries without a row of their own")
	}
	s := reopen(t, path)
	content.Check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content.CheckPayloads(t, payloads(t, path))
}

// The log must contain everything since the last checkpoint, including unfiled deliveries.
// Otherwise the test above would open a database that was closed properly.
func TestDatabaseOfRelease010IsAsTheCrashLeftIt(t *testing.T) {
	path, content := release010.SQLite(t)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, c := range []struct {
		what, query string
		want        int
	}{
		{"without a row of their own", `SELECT count(*) FROM unfiled`, content.Unfiled},
		{"pending", `SELECT count(*) FROM all_deliveries WHERE status = 0`, content.Counts["pending"]},
		{"leased", `SELECT count(*) FROM all_deliveries WHERE lease_owner IS NOT NULL`, content.Leased},
		{"leased, with a row", `SELECT count(*) FROM deliveries WHERE lease_owner IS NOT NULL`, content.Leased - content.Unfiled},
	} {
		var got int
		if err := db.QueryRowContext(t.Context(), c.query).Scan(&got); err != nil || got != c.want || got == 0 {
			t.Errorf("%d deliveries are %s, %v; want %d", got, c.what, err, c.want)
		}
	}
}

func payloads(t *testing.T, path string) map[event.ID][]byte {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return payloadsOf(t, db)
}

func payloadsOf(t *testing.T, db *sql.DB) map[event.ID][]byte {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT id, payload FROM events`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[event.ID][]byte{}
	for rows.Next() {
		var id, payload []byte
		if err := rows.Scan(&id, &payload); err != nil {
			t.Fatal(err)
		}
		all[event.ID(id)] = payload
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
