package app_test

import (
	"net/http"
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
