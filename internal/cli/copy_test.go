package cli

import (
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
		{"the other way", []string{"--from", "postgres://u:hunter2@h/x", "--to", "sqlite://a.db"}, 1, "there is none the other way"},
		{"from a file to a file", []string{"--from", "sqlite://a.db", "--to", "sqlite://b.db"}, 1, "hookferry backup"},
		{"between two of PostgreSQL", []string{"--from", "postgres://h/x", "--to", "postgres://h/y"}, 1, "pg_dump"},
		{"no source", []string{"--from", "sqlite://a.db", "--to", "postgres://h/y"}, 1, `"a.db" can't be used`},
		{"an argument", []string{"a.db"}, 2, `takes no argument "a.db"`},
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
