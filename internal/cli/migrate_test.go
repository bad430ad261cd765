package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/cli"
	"github.com/hookferry/hookferry/internal/test/release010"
)

// The command says where it copies a SQLite database, also in a dry run.
func TestMigrateSaysThatItCopies(t *testing.T) {
	t.Chdir(t.TempDir()) // no .env
	path, _ := release010.SQLite(t)
	to := path + ".before-" + app.Release
	migrate := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if status := cli.Run(t.Context(), append([]string{"migrate", "--data", filepath.Dir(path)}, args...), nil, &out, &errs); status != 0 {
			t.Fatalf("it failed: %s", errs.String())
		}
		return out.String()
	}
	if out := migrate("--dry-run"); !strings.Contains(out, "would copy "+path+" to "+to) || !strings.Contains(out, "would apply 0004") {
		t.Errorf("with --dry-run it says:\n%s", out)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("--dry-run made the copy")
	}
	if out := migrate(); !strings.Contains(out, "copied "+path+" to "+to) || !strings.Contains(out, "applied 0004") {
		t.Errorf("it says:\n%s", out)
	}
	if _, err := os.Stat(to); err != nil {
		t.Error(err)
	}
	if out := migrate(); strings.Contains(out, "cop") || !strings.Contains(out, "up to date") {
		t.Errorf("the second time it says:\n%s", out)
	}
}
