package rawsqlite

import (
	"bytes"
	"strings"
	"testing"
)

// insertInto creates a table of numbered texts and begins a transaction.
func insertInto(t *testing.T, suffix string) (*Conn, *Insert) {
	t.Helper()
	c := connect(t)
	c.must(t, "CREATE TABLE t (n INTEGER PRIMARY KEY, text BLOB NOT NULL)")
	i, err := c.PrepareInsert("t (n, text)", 2, suffix)
	if err != nil {
		t.Fatal(err)
	}
	c.must(t, "BEGIN IMMEDIATE")
	return c, i
}

func (c *Conn) count(t *testing.T) (n int) {
	t.Helper()
	if err := c.Row("SELECT count(*) FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGatheredRowsAreSeenByTheNextStatement(t *testing.T) {
	for rows := 1; rows <= 3*mostRows; rows++ {
		c, i := insertInto(t, "")
		text := make([]byte, 3)
		for n := range rows {
			copy(text, []byte{byte(n), 'a', byte(n)})
			if err := i.Add(Int(int64(n)), Blob(text)); err != nil { // the next iteration overwrites the text
				t.Fatal(err)
			}
		}
		q := "SELECT n, text FROM t ORDER BY n"
		s, err := c.Prepare(q)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for r := s.Query(); ; found++ {
			var n int
			var got []byte
			if !r.Next() {
				r.Close()
				break
			}
			if err := r.Scan(&n, &got); err != nil || n != found || !bytes.Equal(got, []byte{byte(n), 'a', byte(n)}) {
				t.Fatalf("row %d of %d: %d, %q, %v", found, rows, n, got, err)
			}
		}
		if found != rows {
			t.Fatalf("%d rows of %d", found, rows)
		}
	}
}

func TestGatheredRowsAreCommitted(t *testing.T) {
	c, i := insertInto(t, "")
	large := bytes.Repeat([]byte("a"), 3*mostBytes)
	for n := range 5 {
		if err := i.Add(Int(int64(n)), Blob(large[:len(large)-n])); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Add(Int(5), Text("small, after large ones")); err != nil {
		t.Fatal(err)
	}
	c.must(t, "COMMIT")
	var size int
	if err := c.Row("SELECT sum(length(text)) FROM t").Scan(&size); err != nil || size != 5*len(large)-10+23 {
		t.Errorf("%d bytes, %v", size, err)
	}
	if cap(i.buffer) > 2*mostBytes {
		t.Errorf("%d bytes are kept for the next rows", cap(i.buffer))
	}
}

// The next statement returns the error, and the transaction can be rolled back.
func TestABadRowFailsTheNextStatement(t *testing.T) {
	for _, tt := range []struct {
		suffix  string
		add     func(*Insert) error
		problem string
	}{
		{"", func(i *Insert) error { return i.Add(Int(3), Value{}) }, "NOT NULL"},
		{"", func(i *Insert) error { return i.Add(Int(1), Text("b")) }, "UNIQUE"},
		{"ON CONFLICT DO NOTHING", func(i *Insert) error { return i.Add(Int(3), Value{}) }, "NOT NULL"},
	} {
		for _, next := range []string{"COMMIT", "SELECT 1", "DELETE FROM t"} {
			c, i := insertInto(t, tt.suffix)
			for n := range 3 {
				if err := i.Add(Int(int64(n)), Text("a")); err != nil {
					t.Fatal(err)
				}
			}
			if err := tt.add(i); err != nil {
				t.Fatal(err)
			}
			_, err := c.Exec(next)
			if err == nil || !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("%s after a row that is not allowed: %v, want %s", next, err, tt.problem)
			}
			c.must(t, "ROLLBACK")
			if n := c.count(t); n != 0 {
				t.Errorf("%d rows after the rollback", n)
			}
		}
	}
}

func TestARowThatIsThereIsPassedOver(t *testing.T) {
	c, i := insertInto(t, "ON CONFLICT DO NOTHING")
	for _, n := range []int64{1, 2, 1, 3} {
		if err := i.Add(Int(n), Text("a")); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.count(t); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
}

func TestDiscardedRowsAreNotInserted(t *testing.T) {
	c, i := insertInto(t, "")
	if err := i.Add(Int(1), Value{}); err != nil {
		t.Fatal(err)
	}
	c.DiscardInserts()
	c.must(t, "ROLLBACK")
	if n := c.count(t); n != 0 {
		t.Errorf("%d rows", n)
	}
}
