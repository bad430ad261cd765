package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
	"github.com/hookferry/hookferry/internal/test/release010"
)

const copySuffix = ".before-0.2.0"

// upgrade opens a file as a release does that migrates it.
func upgrade(path string) (*sqlite.Store, error) {
	return sqlite.Open(context.Background(), path, sqlite.Options{Release: "0.2.0"})
}

// wantUpgraded fails the test unless the file is migrated with all of its content, and there is a
// copy of what it was before.
func wantUpgraded(t *testing.T, path string, content release010.Content) {
	t.Helper()
	s, err := upgrade(path)
	if err != nil {
		t.Fatal(err)
	}
	content.Check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content.CheckPayloads(t, payloads(t, path))
	wantOldState(t, path+copySuffix, content)
	wantNone(t, path+".copying")
}

// wantOldState fails the test unless a file is complete, private, and what release 0.1.0 left.
func wantOldState(t *testing.T, path string, content release010.Content) {
	t.Helper()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v; want a file of its owner's alone", info, err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?immutable=1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := map[string]string{}
	want := map[string]string{
		`PRAGMA integrity_check`: "ok",
		`SELECT count(*) FROM pragma_table_info('events') WHERE name = 'delivery_count'`: "0",
	}
	counts := map[string]int{
		`SELECT max(version_id) FROM goose_db_version`:                      3,
		`SELECT count(*) FROM unfiled`:                                      content.Unfiled,
		`SELECT count(*) FROM all_deliveries WHERE lease_owner IS NOT NULL`: content.Leased,
		`SELECT count(*) FROM all_deliveries WHERE status = 0`:              content.Counts["pending"],
		`SELECT count(*) FROM all_deliveries WHERE status = 1`:              content.Counts["delivered"],
		`SELECT count(*) FROM all_deliveries WHERE status = 2`:              content.Counts["failed"],
		`SELECT count(*) FROM all_deliveries WHERE status = 3`:              content.Counts["cancelled"],
	}
	for table, n := range content.Rows {
		counts[`SELECT count(*) FROM `+table] = n
	}
	for query, n := range counts {
		want[query] = strconv.Itoa(n)
	}
	for query := range want {
		var text string
		if err := db.QueryRowContext(t.Context(), query).Scan(&text); err != nil {
			t.Errorf("%s: %v", query, err)
		}
		got[query] = text
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the copy %s: %s", path, diff)
	}
	content.CheckPayloads(t, payloadsOf(t, db))
}

func wantNone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there, %v", path, err)
	}
}

func TestUpgradeKeepsACopy(t *testing.T) {
	t.Parallel()
	path, content := release010.SQLite(t)
	if to, err := sqlite.CopyPath(t.Context(), path, "0.2.0"); to != path+copySuffix || err != nil {
		t.Errorf("CopyPath returns %q, %v", to, err)
	}
	wantUpgraded(t, path, content)
	if to, err := sqlite.CopyPath(t.Context(), path, "0.2.0"); to != "" || err != nil {
		t.Errorf("for a file that is up to date, CopyPath returns %q, %v", to, err)
	}
}

// Without a release, the copy is named after the first missing migration.
func TestCopyWithoutARelease(t *testing.T) {
	t.Parallel()
	path := old(t, 2)
	reopen(t, path)
	if _, err := os.Stat(path + ".before-0003"); err != nil {
		t.Error(err)
	}
}

func TestNothingIsCopiedWithoutNeed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hookferry.db")
	for _, why := range []string{"a new file", "a file that is up to date"} {
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{Release: "0.2.0", OnCopy: func(to string, _ int64) { t.Errorf("%s is copied to %s", why, to) }})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		wantNone(t, path+copySuffix)
	}
}

// What an interrupted start may leave, and what happens to it.
func TestUpgradeAfterABrokenOne(t *testing.T) {
	t.Parallel()
	for why, leave := range map[string]func(t *testing.T, path string){
		"half a copy": func(t *testing.T, path string) { write(t, path+".copying", read(t, path)[:5000]) },
		"a copy and no migration": func(t *testing.T, path string) {
			if s, err := upgrade(path); err != nil {
				t.Fatal(err)
			} else {
				s.Close()
			}
			write(t, path, read(t, path+copySuffix))
		},
		"a copy of an earlier upgrade, which was undone": func(t *testing.T, path string) {
			write(t, path+copySuffix, read(t, old(t, 3)))
		},
		"a copy of a later state": func(t *testing.T, path string) {
			write(t, path+copySuffix, read(t, old(t, 4)))
		},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			path, content := release010.SQLite(t)
			leave(t, path)
			wantUpgraded(t, path, content)
		})
	}
}

// A copy of the same state is neither made again nor changed.
func TestSameCopyIsKept(t *testing.T) {
	t.Parallel()
	path := old(t, 3)
	write(t, path+copySuffix, read(t, path))
	day := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	if err := os.Chtimes(path+copySuffix, day, day); err != nil {
		t.Fatal(err)
	}
	s, err := upgrade(path)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if info, err := os.Stat(path + copySuffix); err != nil || !info.ModTime().Equal(day) {
		t.Errorf("the copy is of %v, %v", info.ModTime(), err)
	}
}

// A start that was interrupted between two migrations has left a copy of the state before the
// first one. That copy is the way back, so the present state must not replace it.
func TestCopyFromBeforeTheFirstMigrationIsKept(t *testing.T) {
	t.Parallel()
	path := old(t, 2)
	before := read(t, path)
	write(t, path+copySuffix, before)
	migrateTo(t, path, 3)
	s, err := upgrade(path)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if diff := cmp.Diff(before, read(t, path+copySuffix)); diff != "" {
		t.Error("the copy was replaced")
	}
}

// If there is something else at the path of the copy, the start fails.
func TestWhatIsNoCopyIsNotReplaced(t *testing.T) {
	t.Parallel()
	path := old(t, 3)
	write(t, path+copySuffix, []byte(strings.Repeat("notes of mine ", 500)))
	if _, err := upgrade(path); err == nil || !strings.Contains(err.Error(), "if it is another file, move it away") {
		t.Errorf("it says %v", err)
	}
	if text := read(t, path+copySuffix); !strings.HasPrefix(string(text), "notes of mine") {
		t.Error("the other file was overwritten")
	}
}

// The process may die at any statement of the migration, with what it wrote already in the log.
func TestUpgradeBrokenOffAtEachStatement(t *testing.T) {
	t.Parallel()
	text := string(read(t, "migrations/0004_several_deliveries_per_event.sql"))
	statements := strings.Split(strings.TrimSpace(text), ";\n")
	for n := range statements {
		path, content := release010.SQLite(t)
		if s, err := upgrade(path); err != nil {
			t.Fatal(err)
		} else {
			s.Close()
		}
		write(t, path, read(t, path+copySuffix)) // as it was before
		breakOff(t, path, statements[:n+1])
		wantUpgraded(t, path, content)
	}
}

// breakOff leaves the files as a kill does after these statements of a transaction.
func breakOff(t *testing.T, path string, statements []string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=cache_size(1)&_pragma=journal_mode(WAL)") // so small that pages are in the log at once
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range append([]string{"BEGIN IMMEDIATE"}, statements...) {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	file, log := read(t, path), read(t, path+"-wal")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, file)
	write(t, path+"-wal", log)
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func migrateTo(t *testing.T, path string, version int64) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

// Deliveries of release 0.1.0 can be settled, resent, cancelled and expired.
func TestDeliveriesOfRelease010GoOn(t *testing.T) {
	t.Parallel()
	path, content := release010.SQLite(t)
	s, err := upgrade(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now().UTC().Truncate(time.Microsecond)
	d, err := s.Depth(t.Context(), now)
	if err != nil || d.Leased != 0 || d.Pending != content.Counts["pending"] {
		t.Errorf("%+v, %v; want the pending deliveries without leases", d, err)
	}
	c, err := s.Claim(t.Context(), event.ClaimRequest{Owner: "node", Now: now, Until: now.Add(time.Minute), Limit: 1000, Capacity: 1000})
	if err != nil || len(c.Deliveries) < content.Unfiled {
		t.Fatalf("%d deliveries are due, %v", len(c.Deliveries), err)
	}
	var settled []event.Settlement
	for _, c := range c.Deliveries {
		settled = append(settled, event.Settle(c.Delivery, event.Outcome{StartedAt: now, StatusCode: 200}, nil, now, 0))
	}
	if err := s.Record(t.Context(), settled); err != nil {
		t.Fatal(err)
	}
	first := c.Deliveries[0].Delivery
	if d, err := s.Resend(t.Context(), first.ID, now, true); err != nil || d.Status != event.Pending || d.Round != 1 {
		t.Errorf("resent: %+v, %v", d, err)
	}
	if d, err := s.Cancel(t.Context(), first.ID, now); err != nil || d.Status != event.Cancelled {
		t.Errorf("cancelled: %+v, %v", d, err)
	}
	later := now.Add(time.Hour)
	for {
		n, err := s.Expire(t.Context(), later, later, 100)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	counts, err := s.Count(t.Context())
	if err != nil || counts[event.Delivered]+counts[event.Failed] > 0 {
		t.Errorf("after all is expired: %v, %v", counts, err)
	}
	left := 0
	for _, n := range counts {
		left += n
	}
	if events := len(payloads(t, path)); events != left {
		t.Errorf("%d events are left with %d deliveries: an event is deleted with its last delivery", events, left)
	}
}
