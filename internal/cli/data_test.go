package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commandsWith returns all commands with a flag, with arguments that they accept.
func commandsWith(flag string) (lines [][]string) {
	arguments := map[string][]string{"create": {"operator"}, "revoke": {"0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"}, "backup": {"backup.db"}}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.RunE != nil && !c.HasSubCommands() && (c.Flag(flag) != nil) {
			lines = append(lines, slices.Concat(strings.Fields(c.CommandPath())[1:], arguments[c.Name()]))
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(streams{in: strings.NewReader(""), out: new(strings.Builder), err: new(strings.Builder)}))
	return lines
}

// runCommand runs a command like the program.
func runCommand(t *testing.T, args ...string) (status int, out, errOut string) {
	t.Helper()
	var said, errs strings.Builder
	status = Run(t.Context(), args, strings.NewReader(""), &said, &errs)
	return status, said.String(), errs.String()
}

// TestDataAndDatabaseURL: --data and DATABASE_URL each name a database. If one of them silently
// had no effect, a key could end up in the wrong database.
func TestDataAndDatabaseURL(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("postgres://u:hunter2@127.0.0.1:1/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ reason, name, value, dotEnv, want string }{
		{"PostgreSQL", "DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/x", "", "DATABASE_URL (environment)"},
		{"another SQLite database", "DATABASE_URL", "sqlite://other.db", "", "sqlite://other.db"},
		{"in a file", "DATABASE_URL_FILE", file, "", "DATABASE_URL (environment)"},
		{"in .env", "LANG", "C", "DATABASE_URL=postgres://u:hunter2@127.0.0.1:1/x\n", "DATABASE_URL (.env)"},
	} {
		t.Setenv("DATABASE_URL", "")
		t.Setenv("DATABASE_URL_FILE", "")
		if tt.dotEnv == "" {
			os.Remove(".env")
		} else if err := os.WriteFile(".env", []byte(tt.dotEnv), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Unsetenv("DATABASE_URL") // an empty variable would hide the one in the .env file; Setenv restores it
		t.Setenv(tt.name, tt.value)
		for _, line := range commandsWith("data") {
			status, out, said := runCommand(t, append(line, "--data", "made")...)
			if status != 2 || !strings.Contains(said, "leave out --data") || !strings.Contains(said, tt.want) || strings.Contains(out+said, "hunter2") {
				t.Errorf("%s: %v ends with %d and says %s%s, want 2 and which of the two to remove", tt.reason, line, status, out, said)
			}
		}
	}
	if _, err := os.Stat("made"); err == nil {
		t.Error("the directory was created anyway")
	}
}

// TestReadingCreatesNothing: a command that finds no database says where it looked, and changes
// nothing there.
func TestReadingCreatesNothing(t *testing.T) {
	t.Setenv("HOOKFERRY_MASTER_KEY", strings.Repeat("ab", 32))
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"doctor"}, 1, "there is no database at "},
		{[]string{"keys", "list"}, 1, "there is no database at "},
		{[]string{"keys", "revoke", "0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"}, 1, "there is no database at "},
		{[]string{"keys", "rotate-master"}, 1, "there is no database at "},
		{[]string{"backup", "backup.db"}, 1, "there is no database at "},
		{[]string{"migrate", "--dry-run"}, 0, "there was no database at "},
		{[]string{"config"}, 0, ""},
	} {
		for _, where := range []string{"", "elsewhere", "a/b"} {
			dir := t.TempDir()
			t.Chdir(dir)
			args, data := tt.args, "data"
			if where != "" {
				args, data = append(slices.Clone(args), "--data", where), where
			}
			status, out, said := runCommand(t, args...)
			if status != tt.status || tt.want != "" && !strings.Contains(out+said, tt.want+filepath.Join(dir, data, "hookferry.db")) {
				t.Errorf("%v: ends with %d and says %s%s, want %d and where it looked", args, status, out, said, tt.status)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("%v creates %v (%v)", args, left, err)
			}
		}
	}
}

// TestReadingMigratesNothing: a database without tables, or with those of an older release, stays
// that way.
func TestReadingMigratesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(t.TempDir())
	path := filepath.Join(dir, "hookferry.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"doctor"}, {"keys", "list"}, {"keys", "revoke", "0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"}} {
		status, _, said := runCommand(t, append(args, "--data", dir)...)
		if status != 1 || !strings.Contains(said, path+" lacks tables of this release: run `hookferry migrate`") {
			t.Errorf("%v ends with %d and says %s", args, status, said)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("the empty file has become %d bytes (%v)", info.Size(), err)
	}
}
