package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/test/release010"
)

// TestDatabaseOfRelease010 opens what release 0.1.0 left when it was killed under load:
// nothing that it acknowledged is missing.
func TestDatabaseOfRelease010(t *testing.T) {
	url, content := release010.PostgreSQL(t, server)
	content.Check(t, open(t, postgres.Options{URL: url}))
	content.CheckPayloads(t, payloads(t, url))
}

func payloads(t *testing.T, url string) map[event.ID][]byte {
	t.Helper()
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	rows, err := db.Query(t.Context(), `SELECT id, payload FROM events`)
	if err != nil {
		t.Fatal(err)
	}
	all := map[event.ID][]byte{}
	var id [16]byte
	var payload []byte
	if _, err := pgx.ForEachRow(rows, []any{&id, &payload}, func() error {
		all[id] = payload
		payload = nil
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}
