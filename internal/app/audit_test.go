package app_test

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

// The audit finds nothing, by the API too, and every rule has a description.
func TestIntegrity(t *testing.T) {
	for name, settings := range map[string][]string{"SQLite": nil, "PostgreSQL": {"DATABASE_URL=" + postgresServer.Database(t, "")}} {
		t.Run(name, func(t *testing.T) {
			r := receive(t, "", nil)
			s := start(t, t.TempDir(), settings...)
			sub := s.subscribe(map[string]any{"target_url": r.URL})
			for range 5 {
				s.settled(s.publish(sub, created))
			}
			report := s.want(http.StatusOK, "GET", "/health/integrity", nil)
			account := report["deliveries"].(map[string]any)
			if report["status"] != "ok" || len(report["findings"].([]any)) != 0 || account["delivered"] != 5.0 || len(account) != len(event.Statuses) {
				t.Errorf("integrity %v", report)
			}
		})
	}
}

// rootPage returns the number of the first page of a table or an index.
func rootPage(t *testing.T, path, name string) (page int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), `SELECT rootpage FROM sqlite_master WHERE name = ?`, name).Scan(&page); err != nil {
		t.Fatal(err)
	}
	return page
}

// A damaged database is reported, and the service continues with the intact part.
func TestIntegrityOfADamagedDatabase(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	s.stop()
	path := filepath.Join(dir, "hookferry.db")
	database, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	database[(rootPage(t, path, "deliveries_failed")-1)*4096] ^= 0x80 // the type of a page that a start does not read
	if err := os.WriteFile(path, database, 0o600); err != nil {
		t.Fatal(err)
	}
	report := start(t, dir).want(http.StatusOK, "GET", "/health/integrity", nil)
	findings := report["findings"].([]any)
	if report["status"] != "degraded" || len(findings) == 0 {
		t.Fatalf("integrity %v", report)
	}
	first := findings[0].(map[string]any)
	if first["rule"] != string(event.RuleDatabaseIsSound) || !strings.Contains(first["what"].(string), "has damaged the file: ") {
		t.Errorf("it finds %v", first)
	}
}
