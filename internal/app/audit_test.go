package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

// The account of what is kept is sound, by the API too, and every rule has words.
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

// What the disk did to the pages of the database is told, and the service goes on with the rest.
func TestIntegrityOfADamagedDatabase(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	s.stop()
	path := filepath.Join(dir, "hookferry.db")
	database, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	database[len(database)-4096] ^= 0x80 // the type of the last page
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
