package cli

import (
	"context"
	"os"
	"strings"
	"testing"
)

func TestCopyIsCalled(t *testing.T) {
	t.Chdir(t.TempDir()) // no .env
	for _, tt := range []struct {
		reason string
		args   []string
		status int
		want   string
	}{
		{"no addresses", nil, 2, "--from is missing"},
		{"no target", []string{"--from", "sqlite://a.db"}, 2, "--to is missing"},
		{"no URL", []string{"--from", "a.db", "--to", "postgres://h/x"}, 2, "--from is not a URL"},
		{"another database", []string{"--from", "sqlite://a.db", "--to", "mysql://u:hunter2@h/x"}, 2, "--to "},
		{"from PostgreSQL to SQLite", []string{"--from", "postgres://u:hunter2@h/x", "--to", "sqlite://a.db"}, 1, "there is no copy from PostgreSQL to SQLite"},
		{"from SQLite to SQLite", []string{"--from", "sqlite://a.db", "--to", "sqlite://b.db"}, 1, "hookferry backup"},
		{"from PostgreSQL to PostgreSQL", []string{"--from", "postgres://h/x", "--to", "postgres://h/y"}, 1, "pg_dump"},
		{"no source", []string{"--from", "sqlite://a.db", "--to", "postgres://h/y"}, 1, `"a.db" can't be used`},
		{"an argument", []string{"a.db"}, 2, `takes no arguments, but got "a.db"`},
	} {
		status, out, said := runCommand(t, append([]string{"copy"}, tt.args...)...)
		if status != tt.status || !strings.Contains(said, tt.want) || strings.Contains(out+said, "hunter2") {
			t.Errorf("%s: it ends with %d and says %s%s, want %d and %q", tt.reason, status, out, said, tt.status, tt.want)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// If a signal interrupts one of these commands, it says what the operator now has.
func TestBackupAndCopyAreInterrupted(t *testing.T) {
	t.Chdir(t.TempDir()) // no .env
	if status, _, said := runCommand(t, "keys", "create", "operator", "--data", "."); status != 0 {
		t.Fatal(said)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for want, args := range map[string][]string{
		"interrupted: there is no backup at ": {"backup", "--data", ".", "b.db"},
		"interrupted: run the same command":   {"copy", "--from", "sqlite://hookferry.db", "--to", "postgres://127.0.0.1:1/x"},
	} {
		var out, said strings.Builder
		if status := Run(ended, args, strings.NewReader(""), &out, &said); status != 1 || !strings.Contains(said.String(), want) {
			t.Errorf("%v ends with %d: %s", args, status, said.String())
		}
	}
	if _, err := os.Stat("b.db"); err == nil {
		t.Error("there is a backup")
	}
}
