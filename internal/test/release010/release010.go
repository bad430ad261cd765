// Package release010 gives tests the databases that release 0.1.0 left behind when it was killed
// under load: a SQLite database with its log, and a dump of a PostgreSQL database. README.md
// describes their content, and how to make them again.
//
// Their ids and times are those of the day on which they were made. A service that runs on one
// deletes what is older than the retention, so such a test sets LOG_RETENTION or calls the store
// directly.
//
// Start with SQLite or PostgreSQL.
package release010

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/test/pgtest"
)

//go:embed testdata
var testdata embed.FS

// SQLite unpacks the SQLite database and its log into a temporary directory, in the state after the
// crash, and returns the path of the database.
func SQLite(t testing.TB) (path string, c Content) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hookferry.db")
	for _, suffix := range []string{"", "-wal"} {
		if err := os.WriteFile(path+suffix, unpack(t, "hookferry.db"+suffix+".gz"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path, content(t, "sqlite.json")
}

// PostgreSQL loads the dump into a new database on the server, and returns the URL of the database.
func PostgreSQL(t testing.TB, s *pgtest.Server) (url string, c Content) {
	t.Helper()
	url = s.Database(t, "")
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.PgConn().Exec(t.Context(), string(unpack(t, "postgres.sql.gz"))).Close(); err != nil {
		t.Fatalf("load the dump: %v", err)
	}
	return url, content(t, "postgres.json")
}

func unpack(t testing.TB, name string) []byte {
	t.Helper()
	packed, err := gzip.NewReader(bytes.NewReader(read(t, name)))
	if err != nil {
		t.Fatalf("unpack %s: %v", name, err)
	}
	b, err := io.ReadAll(packed)
	if err != nil {
		t.Fatalf("unpack %s: %v", name, err)
	}
	return b
}

func content(t testing.TB, name string) (c Content) {
	t.Helper()
	if err := json.Unmarshal(read(t, name), &c); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return c
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
