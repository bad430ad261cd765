package faults

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/store/sqlite"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/childproc"
	"github.com/hookferry/hookferry/internal/test/release010"
)

// upgradePoints are the steps of a start that migrates a SQLite database.
var upgradePoints = []struct {
	name   string
	copied bool
	why    string
}{
	{"upgrade: copying", false, "part of the copy is written, under a temporary name"},
	{"upgrade: written", false, "the copy is complete, but not synced"},
	{"upgrade: copied", true, "the copy has its name"},
	{"upgrade: migrating", true, "the same, one step later"},
	{"upgrade: migrated", true, "the tables are changed, and not used yet"},
}

// TestDeathWhileUpgrading makes the process kill itself at each step. The next process continues:
// nothing is lost, and the copy is what release 0.1.0 left.
func TestDeathWhileUpgrading(t *testing.T) {
	shipped, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "hookferry")
	if err := build(program, "-tags", "faultpoints"); err != nil {
		t.Fatal(err)
	}
	for _, point := range upgradePoints {
		if bytes.Contains(shipped, []byte(point.name)) {
			t.Errorf("the shipped program contains the fault point %s", point.name)
		}
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			path, content := release010.SQLite(t)
			copied := path + ".before-" + app.Release
			armed := filepath.Join(t.TempDir(), "armed")
			if err := os.WriteFile(armed, []byte(point.name), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := migrate(t, program, path, armed); err == nil {
				t.Fatal("the process did not die")
			}
			if _, err := os.Stat(copied); (err == nil) != point.copied {
				t.Errorf("the copy after %s (%s): %v", point.name, point.why, err)
			}
			if err := migrate(t, program, path, armed); err != nil {
				t.Fatal(err)
			}
			s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			content.Check(t, s)
			wantCopy(t, copied, content)
			if left, err := filepath.Glob(path + ".copying*"); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestUpgradeUnderAQuota makes the copy fail in the middle although the disk has enough space: the
// process may not write files of that length, which looks like a quota.
func TestUpgradeUnderAQuota(t *testing.T) {
	path, content := release010.SQLite(t)
	if err := migrate(t, program, path, ""); err != nil {
		t.Fatal(err)
	}
	copied := path + ".before-" + app.Release
	if err := os.Rename(copied, path); err != nil { // the original, with its log written back
		t.Fatal(err)
	}
	p := start(t, "/bin/sh", path, "", "-c", `ulimit -f 200; exec "$0" migrate --data .`, program)
	if err := p.Wait(); err == nil {
		t.Fatal("it was migrated")
	}
	if text := p.Output(); !strings.Contains(text, "Free some disk space and start again") || !strings.Contains(text, "nothing has changed yet") {
		t.Errorf("the output is:\n%s", text)
	}
	for _, name := range []string{copied, path + ".copying"} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s is there", name)
		}
	}
	wantCopy(t, path, content)
}

// migrate runs the command to its end.
func migrate(t *testing.T, program, path, armed string) error {
	t.Helper()
	return start(t, program, path, armed, "migrate", "--data", filepath.Dir(path)).Wait()
}

// start starts a program on the database and returns when it has ended.
func start(t *testing.T, program, path, armed string, args ...string) *childproc.Process {
	t.Helper()
	p, err := childproc.Start(childproc.Command{
		Path: program, Args: args, Dir: filepath.Dir(path), Env: []string{"FAULTPOINT_FILE=" + armed},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	select {
	case <-p.Ended():
	case <-time.After(await.Patience):
		t.Fatal("the command does not end")
	}
	return p
}

// wantCopy reads the copy as an immutable file without a log.
func wantCopy(t *testing.T, path string, content release010.Content) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?immutable=1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var sound string
	var version, events, leased int
	err = db.QueryRowContext(t.Context(), `SELECT (SELECT integrity_check FROM pragma_integrity_check), (SELECT max(version_id) FROM goose_db_version),
		(SELECT count(*) FROM events), (SELECT count(*) FROM all_deliveries WHERE lease_owner IS NOT NULL)`).Scan(&sound, &version, &events, &leased)
	if err != nil || sound != "ok" || version != 3 || events != content.Rows["events"] || leased != content.Leased {
		t.Errorf("the copy is %s, of migration %d, with %d events and %d leases, %v; want ok, 3, %d and %d",
			sound, version, events, leased, err, content.Rows["events"], content.Leased)
	}
}
