package rawsqlite

import (
	"fmt"
	"strings"
	"unsafe"
)

const (
	// mostRows is how many rows one statement inserts. It is a power of two.
	mostRows = 16

	// mostBytes is how many bytes of values an Insert gathers before it inserts them.
	mostBytes = 64 << 10
)

// Insert gathers rows for a table and inserts up to 16 of them with one statement. That takes
// half the time of a statement for each row, because a statement opens the table and all of its
// indexes.
//
// Rows may be added inside a transaction only. They are inserted before the connection runs any
// other statement, the COMMIT included, so nothing can tell that they were gathered. An error of
// a row is therefore returned by whatever statement runs next, and must undo the transaction.
type Insert struct {
	conn    *Conn
	stmts   map[int]*Stmt // by their number of rows: 1, 2, 4, 8, 16
	columns int
	values  []Value // of the gathered rows; their bytes are in buffer
	buffer  []byte
}

// PrepareInsert compiles INSERT INTO into, with values for so many columns. suffix follows the
// values.
func (c *Conn) PrepareInsert(into string, columns int, suffix string) (*Insert, error) {
	i := &Insert{conn: c, columns: columns, stmts: map[int]*Stmt{}}
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	for n := 1; n <= mostRows; n *= 2 {
		// FAIL, because ABORT, which undoes a statement alone, would need a journal for it.
		s, err := c.Prepare("INSERT OR FAIL INTO " + into + " VALUES " + row + strings.Repeat(", "+row, n-1) + " " + suffix)
		if err != nil {
			return nil, err
		}
		i.stmts[n] = s
	}
	c.inserts = append(c.inserts, i)
	return i, nil
}

// Add adds a row. It copies the values.
func (i *Insert) Add(values ...Value) error {
	if len(values) != i.columns {
		panic(fmt.Sprintf("%d values for %d columns", len(values), i.columns))
	}
	for _, v := range values {
		if n := len(v.bytes); n > 0 {
			i.buffer = append(i.buffer, v.bytes...) // if it moves, what was added before keeps the old memory
			v.bytes = unsafe.String(&i.buffer[len(i.buffer)-n], n)
		}
		i.values = append(i.values, v)
	}
	i.conn.gathered = true
	if len(i.values) == mostRows*i.columns || len(i.buffer) >= mostBytes {
		return i.flush()
	}
	return nil
}

// flush inserts what is gathered.
func (i *Insert) flush() error {
	defer i.discard()
	rest := i.values
	for n := mostRows; n > 0; n /= 2 {
		for len(rest) >= n*i.columns {
			if _, err := i.stmts[n].run(rest[:n*i.columns]); err != nil {
				return err
			}
			rest = rest[n*i.columns:]
		}
	}
	return nil
}

func (i *Insert) discard() {
	clear(i.values)
	i.values, i.buffer = i.values[:0], i.buffer[:0]
	if cap(i.buffer) > 2*mostBytes { // a large value was among them
		i.buffer = nil
	}
}

// flush inserts what all Inserts have gathered.
func (c *Conn) flush() error {
	if !c.gathered {
		return nil
	}
	c.gathered = false
	for _, i := range c.inserts {
		if err := i.flush(); err != nil {
			c.DiscardInserts()
			return err
		}
	}
	return nil
}

// DiscardInserts drops the gathered rows. It comes before a ROLLBACK.
func (c *Conn) DiscardInserts() {
	c.gathered = false
	for _, i := range c.inserts {
		i.discard()
	}
}
