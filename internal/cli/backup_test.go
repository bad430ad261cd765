package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestBackup(t *testing.T) {
	t.Chdir(t.TempDir()) // no .env
	dir := t.TempDir()
	if status, _, said := runCommand(t, "keys", "create", "operator", "--data", dir); status != 0 {
		t.Fatal(said)
	}
	restored := t.TempDir()
	to := filepath.Join(restored, "hookferry.db")
	status, out, said := runCommand(t, "backup", "--data", dir, to)
	want := regexp.MustCompile(`^copied ` + filepath.Join(dir, "hookferry.db") + ` to ` + to + `: \d+\.\d MB in \d+\.\d s, checked and on disk\n$`)
	if status != 0 || !want.MatchString(out) || said != "" {
		t.Errorf("it ends with %d: %q, %q", status, out, said)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want a file that only its owner can read", info, err)
	}
	if _, out, _ := runCommand(t, "keys", "list", "--data", restored); !strings.Contains(out, `"operator"`) {
		t.Errorf("the copy has the keys %s", out)
	}
	if status, _, said := runCommand(t, "backup", "--data", dir, to); status != 1 || !strings.Contains(said, to+" already exists") {
		t.Errorf("over a file it ends with %d: %s", status, said)
	}
	if status, _, said := runCommand(t, "backup", "--data", dir); status != 2 || !strings.Contains(said, "hookferry backup takes FILE") {
		t.Errorf("without a file it ends with %d: %s", status, said)
	}
	t.Setenv("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/x")
	if status, _, said := runCommand(t, "backup", "a.db"); status != 1 || !strings.Contains(said, "pg_dump") || strings.Contains(said, "hunter2") {
		t.Errorf("for PostgreSQL it ends with %d: %s", status, said)
	}
}
