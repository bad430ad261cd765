package rawsqlite

import (
	"fmt"
	"strings"
	"unsafe"
)

const (
	// mostRows is how many rows one statement inserts. It is a power of two.
	mostRows = 16

	// mostBytes is how many bytes of values an Insert collects before it inserts them.
	mostBytes = 64 << 10
)

// Insert collects rows for a table and inserts up to 16 of them with one statement. That takes
// half the time of a statement for each row, because each statement opens the table and all of
// its indexes.
//
// Rows may be added only inside a transaction. They are inserted before the connection runs any
// other statement, including COMMIT, so the effect is the same as without collecting them. An
// error of a row is returned by the next statement, and the transaction must be rolled back.
type Insert struct {
	conn    *Conn
	stmts   map[int]*Stmt // by their number of rows: 1, 2, 4, 8, 16; prepared when first needed
	columns int
	head    string // INSERT INTO … VALUES
	row     string // (?, ?)
	suffix  string
	values  []Value // of the gathered rows; their bytes are in buffer
	buffer  []byte
}

// PrepareInsert compiles INSERT INTO into, with values for that many columns. suffix follows
// the values.
func (c *Conn) PrepareInsert(into string, columns int, suffix string) (*Insert, error) {
	i := &Insert{
		conn: c, columns: columns, stmts: map[int]*Stmt{},
		// FAIL, because ABORT would undo only the statement, for which SQLite needs a journal.
		head: "INSERT OR FAIL INTO " + into + " VALUES ", row: "(?" + strings.Repeat(", ?", columns-1) + ")", suffix: " " + suffix,
	}
	if _, err := i.stmt(1); err != nil {
		return nil, err
	}
	c.inserts = append(c.inserts, i)
	return i, nil
}

// stmt returns the statement that inserts n rows.
func (i *Insert) stmt(n int) (*Stmt, error) {
	if s := i.stmts[n]; s != nil {
		return s, nil
	}
	s, err := i.conn.Prepare(i.head + i.row + strings.Repeat(", "+i.row, n-1) + i.suffix)
	if err != nil {
		return nil, err
	}
	i.stmts[n] = s
	return s, nil
}

// Add adds a row. It copies the values.
func (i *Insert) Add(values ...Value) error {
	if len(values) != i.columns {
		panic(fmt.Sprintf("%d values for %d columns", len(values), i.columns))
	}
	for _, v := range values {
		if n := len(v.bytes); n > 0 {
			i.buffer = append(i.buffer, v.bytes...) // if it moves, earlier values keep the old memory
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

// flush inserts the collected rows.
func (i *Insert) flush() error {
	defer i.discard()
	rest := i.values
	for n := mostRows; n > 0; n /= 2 {
		for len(rest) >= n*i.columns {
			s, err := i.stmt(n)
			if err != nil {
				return err
			}
			if _, err := s.run(rest[:n*i.columns]); err != nil {
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
	if cap(i.buffer) > 2*mostBytes { // there was a large value
		i.buffer = nil
	}
}

// flush inserts the collected rows of all Inserts.
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

// DiscardInserts drops the collected rows. It must be called before a ROLLBACK.
func (c *Conn) DiscardInserts() {
	c.gathered = false
	for _, i := range c.inserts {
		i.discard()
	}
}
