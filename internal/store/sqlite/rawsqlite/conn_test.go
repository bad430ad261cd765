package rawsqlite

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// connect opens a connection to a new file.
func connect(t *testing.T) *Conn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(path, "journal_mode = WAL", "synchronous = FULL")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (c *Conn) must(t *testing.T, query string, values ...any) {
	t.Helper()
	if _, err := c.Exec(query, values...); err != nil {
		t.Fatal(err)
	}
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	c := connect(t)
	large := bytes.Repeat([]byte("large"), 1<<20)
	for _, tt := range []struct {
		name      string
		in, out   any
		ofType    string
		storeWith Value
	}{
		{"nothing", nil, nil, "null", Value{}},
		{"an empty text that means NULL", TextOrNull(""), nil, "null", TextOrNull("")},
		{"the smallest number", int64(math.MinInt64), int64(math.MinInt64), "integer", Int(math.MinInt64)},
		{"an int", 7, int64(7), "integer", Int(7)},
		{"true", true, int64(1), "integer", Int(1)},
		{"a fraction", 0.25, 0.25, "real", Float(0.25)},
		{"a text with an end in it", "a\x00b", "a\x00b", "text", Text("a\x00b")},
		{"an empty text is not NULL", "", "", "text", Text("")},
		{"empty bytes are not NULL", []byte{}, []byte{}, "blob", Blob([]byte{})},
		{"no bytes are empty ones", []byte(nil), []byte{}, "blob", Blob(nil)},
		{"large bytes, for which there was no memory before", large, large, "blob", Blob(large)},
		{"small ones after them", []byte{0}, []byte{0}, "blob", Blob([]byte{0})},
	} {
		s, err := c.Prepare("SELECT ?, typeof(?)")
		if err != nil {
			t.Fatal(err)
		}
		for how, values := range map[string][]Value{"any": toValues([]any{tt.in, tt.in}), "typed": {tt.storeWith, tt.storeWith}} {
			rows := s.Query(values...)
			if !rows.Next() {
				t.Fatalf("%s, %s: no row: %v", tt.name, how, rows.Err())
			}
			got, ofType := rows.column(0), rows.column(1)
			rows.Close()
			same := got == nil && tt.out == nil
			if b, ok := tt.out.([]byte); ok {
				g, isBytes := got.([]byte)
				same = isBytes && bytes.Equal(b, g)
			} else if tt.out != nil {
				same = got == tt.out
			}
			if !same || ofType != tt.ofType {
				t.Errorf("%s, %s: it came back as %T, a %v", tt.name, how, got, ofType)
			}
		}
		if len(s.bytes) > keepBytes && tt.name == "small ones after them" {
			t.Errorf("%s: %d bytes are kept for them", tt.name, len(s.bytes))
		}
	}
}

func TestErrorsHaveTheirCodeAndLeaveTheStatementUsable(t *testing.T) {
	c := connect(t)
	c.must(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT NOT NULL)")
	for range 2 {
		if _, err := c.Exec("INSERT INTO t VALUES (?, ?)", 1, nil); codeOf(err) != sqlite3.SQLITE_CONSTRAINT_NOTNULL || !strings.Contains(err.Error(), "NOT NULL constraint failed: t.x (1299)") {
			t.Errorf("a missing value is %v, with code %d", err, codeOf(err))
		}
		if n, err := c.Exec("INSERT OR REPLACE INTO t VALUES (?, ?)", 1, "x"); n != 1 || err != nil {
			t.Errorf("%d rows, %v", n, err)
		}
	}
	if _, err := c.Exec("SELEKT"); err == nil || !strings.Contains(err.Error(), "SELEKT") {
		t.Errorf("an invalid statement returns %v", err)
	}
	var n int
	if err := c.Row("SELECT x FROM t").Scan(&n); err == nil || !strings.Contains(err.Error(), "contains string") {
		t.Errorf("a text that is read as a number is %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.db")); codeOf(err)&0xff != sqlite3.SQLITE_CANTOPEN {
		t.Errorf("opening a file that does not exist: %v", err)
	}
}

// The writer's hot path must not allocate.
func TestStatementsAllocateNothing(t *testing.T) {
	c := connect(t)
	c.must(t, "CREATE TABLE t (id BLOB PRIMARY KEY, n INTEGER, x TEXT, payload BLOB) WITHOUT ROWID")
	s, err := c.Prepare("INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?)")
	if err != nil {
		t.Fatal(err)
	}
	id, payload := [16]byte{1}, make([]byte, 1024)
	run := func() {
		id[15]++
		if _, e := s.Exec(Blob(id[:]), Int(int64(id[15])), Text("user.created"), Blob(payload)); e != nil {
			err = e
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 || err != nil {
		t.Errorf("%v allocations, %v", n, err)
	}
}

// failingWrite is a write method of SQLite that finds no free disk space.
func failingWrite(*libc.TLS, uintptr, uintptr, int32, sqlite3.Tsqlite3_int64) int32 {
	return sqlite3.SQLITE_FULL
}

// failWrites makes writes to the log fail as on a full disk.
func failWrites(b *LogBuffer) (restore func()) {
	under := &(*logState)(pointer(b.memory)).under
	before := under.FxWrite
	under.FxWrite = addressOfFunc(transferFunc(failingWrite))
	return func() { under.FxWrite = before }
}

// If a part of a commit can't be written, the commit fails and nothing of it is stored.
func TestACommitThatTheLogHasNoRoomForIsNone(t *testing.T) {
	c := connect(t)
	c.must(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB)")
	b, err := c.GatherLog()
	if err != nil {
		t.Fatal(err)
	}
	for i, size := range []int{10, 3 * bufferSize} { // the write fails in the sync, or before
		c.must(t, "INSERT INTO t VALUES (?, zeroblob(?))", 10*i, size)
		c.must(t, "BEGIN IMMEDIATE")
		restore := failWrites(b)
		_, err := c.Exec("INSERT INTO t VALUES (?, zeroblob(?))", 10*i+1, size)
		if err == nil {
			_, err = c.Exec("COMMIT")
		}
		restore()
		if !IsFull(err) {
			t.Errorf("%d bytes: %v; want an error for a full disk", size, err)
		}
		c.Exec("ROLLBACK")
		c.must(t, "INSERT INTO t VALUES (?, zeroblob(?))", 10*i+2, size)
	}
	var n, sum int
	if err := c.Row("SELECT count(*), sum(id) FROM t").Scan(&n, &sum); err != nil || n != 4 || sum != 0+2+10+12 {
		t.Errorf("%d rows, the sum of their ids is %d, %v; want 4 and 24", n, sum, err)
	}
	var whole string
	if err := c.Row("PRAGMA integrity_check").Scan(&whole); err != nil || whole != "ok" {
		t.Errorf("%s, %v", whole, err)
	}
}

// Other connections see a commit as a whole, once it is done.
func TestOthersSeeWhatIsCommitted(t *testing.T) {
	c := connect(t)
	c.must(t, "CREATE TABLE t (x BLOB)")
	if _, err := c.GatherLog(); err != nil {
		t.Fatal(err)
	}
	var path string
	if err := c.Row("SELECT file FROM pragma_database_list").Scan(&path); err != nil {
		t.Fatal(err)
	}
	other, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	count := func() (n int) {
		t.Helper()
		if err := other.Row("SELECT count(*) FROM t").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	want := 0
	for _, rows := range []int{1, 7, 300, 2} { // 300 rows are more than the buffer holds
		c.must(t, "BEGIN IMMEDIATE")
		for range rows {
			c.must(t, "INSERT INTO t VALUES (zeroblob(1000))")
		}
		if n := count(); n != want {
			t.Errorf("before the commit of %d rows %d are seen, want %d", rows, n, want)
		}
		c.must(t, "COMMIT")
		want += rows
		if n := count(); n != want {
			t.Errorf("after the commit of %d rows %d are seen, want %d", rows, n, want)
		}
	}
}

// A transaction that is larger than SQLite's cache is partly collected before it ends. After a
// rollback, none of that may be written: another connection may have written there.
func TestWhatIsRolledBackIsNotWritten(t *testing.T) {
	c := connect(t)
	c.must(t, "CREATE TABLE t (x BLOB)")
	if _, err := c.GatherLog(); err != nil {
		t.Fatal(err)
	}
	var path string
	if err := c.Row("SELECT file FROM pragma_database_list").Scan(&path); err != nil {
		t.Fatal(err)
	}
	other, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for range 20 {
		c.must(t, "INSERT INTO t VALUES (zeroblob(3000))")
	}
	c.must(t, "PRAGMA cache_size = 5")
	for range 20 {
		if _, err := c.writeBack(); err != nil { // so that pages are read from the database and not from the log
			t.Fatal(err)
		}
		c.must(t, "BEGIN IMMEDIATE")
		c.must(t, "UPDATE t SET x = randomblob(3000) WHERE length(x) = 3000") // in place: no page is added
		c.must(t, "ROLLBACK")
		other.must(t, "INSERT INTO t VALUES (randomblob(9000))")
		c.must(t, "INSERT INTO t VALUES (randomblob(9000))")
	}
	for _, reader := range []*Conn{c, other} {
		var whole string
		if err := reader.Row("PRAGMA integrity_check").Scan(&whole); err != nil || whole != "ok" {
			t.Errorf("%s, %v", whole, err)
		}
		var n int
		if err := reader.Row("SELECT count(*) FROM t WHERE length(x) = 9000").Scan(&n); err != nil || n != 40 {
			t.Errorf("%d rows, %v; want 40", n, err)
		}
	}
}

func TestTheLogMustBeOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(path) // with a rollback journal
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.GatherLog(); err == nil || !strings.Contains(err.Error(), "has not opened its log") {
		t.Errorf("gathering a log that does not exist: %v", err)
	}
}
