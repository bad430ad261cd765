package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
)

// A service that starts on a backup has what the first one had, and delivers what was pending.
func TestABackupStartsAsAService(t *testing.T) {
	t.Parallel()
	healthy := receive(t, "", nil)
	failing := receive(t, "", func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	first := start(t, t.TempDir(), "WEBHOOK_RETRY_SCHEDULE=1h")
	delivered := first.publish(first.subscribe(map[string]any{"target_url": healthy.URL}), created)
	first.settled(delivered)
	retried := first.publish(first.subscribe(map[string]any{"target_url": failing.URL}), created)
	first.until(retried, func(d map[string]any) bool { return len(d["attempts"].([]any)) == 1 })

	dir := t.TempDir()
	size, err := app.Backup(t.Context(), load(t, first.dir), filepath.Join(dir, "hookferry.db"))
	if info, statErr := os.Stat(filepath.Join(dir, "hookferry.db")); err != nil || statErr != nil || info.Size() != size {
		t.Fatalf("%d bytes, %v, %v", size, err, statErr)
	}
	first.stop()

	second := start(t, dir)
	for id, status := range map[string]string{delivered: "delivered", retried: "pending"} {
		if d := second.want(http.StatusOK, "GET", "/status/delivery/"+id, nil); d["status"] != status || len(d["attempts"].([]any)) != 1 {
			t.Errorf("delivery %v, want %s after one attempt", d, status)
		}
	}
}

func TestBackupOfPostgreSQLNamesTheCommand(t *testing.T) {
	t.Parallel()
	cfg := config.Config{Database: config.Database{Engine: config.Postgres, URL: "postgres://u:hunter2@127.0.0.1:1/x"}}
	for file, word := range map[string]string{"/backup/a.dump": "--file=/backup/a.dump ", "it's mine": `--file='it'\''s mine' `} {
		_, err := app.Backup(t.Context(), cfg, file)
		if err == nil || !strings.Contains(err.Error(), "pg_dump --format=custom "+word) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error is %v", err)
		}
	}
}
