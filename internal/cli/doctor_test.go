package cli_test

import (
	"bytes"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/hookferry/hookferry/internal/cli"
)

// doctor runs the command on a new database after running a statement on it that the service does
// not know about.
func doctor(t *testing.T, dir, damage string) (status int, out string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "hookferry.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), damage); err != nil {
		t.Fatal(err)
	}
	var said, errs bytes.Buffer
	status = cli.Run(t.Context(), []string{"doctor", "--data", dir}, strings.NewReader(""), &said, &errs)
	if errs.Len() > 0 {
		t.Errorf("it fails: %s", errs.String())
	}
	return status, said.String()
}

func TestDoctor(t *testing.T) {
	t.Chdir(t.TempDir()) // no .env
	dir := t.TempDir()
	if status := cli.Run(t.Context(), []string{"migrate", "--data", dir}, nil, new(bytes.Buffer), new(bytes.Buffer)); status != 0 {
		t.Fatal("migrate failed")
	}
	status, out := doctor(t, dir, "SELECT 1")
	if status != 0 || !strings.Contains(out, "0 accepted = 0 delivered + 0 failed + 0 pending + 0 cancelled") || !strings.Contains(out, "no problems found") {
		t.Errorf("of a sound database it says, with status %d:\n%s", status, out)
	}
	status, out = doctor(t, dir, `INSERT INTO events (seq, id, delivery_id, subscription_id, type, content_type, payload, created_at, lease_owner, leased_until)
		VALUES (0, x'0190b2c45d6e7f809a1b2c3d4e5f6071', zeroblob(16), zeroblob(16), 'user.created', '', x'7b7d', 1, NULL, 0)`)
	for _, want := range []string{"1 events with fewer deliveries than when they were accepted", "the oldest is 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071 of 2024-07-14T", "Restore all tables from one backup"} {
		if status != 1 || !strings.Contains(out, want) {
			t.Errorf("of a damaged one it says, with status %d:\n%swant %q", status, out, want)
		}
	}
}
