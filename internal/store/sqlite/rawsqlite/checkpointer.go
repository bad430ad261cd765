package rawsqlite

import "sync/atomic"

const (
	// DefaultLogSize is the size, in bytes, at which the log is written back.
	DefaultLogSize = 16 << 20
	// maxRounds is how often the checkpointer tries again because frames were added meanwhile.
	// fewFrames is how many frames it may leave to the writer.
	maxRounds = 4
	fewFrames = 64
)

// Checkpointer writes the log back into the database, concurrently with the writer and on its own
// connection. SQLite would do so at the end of a commit, and every caller would wait for the disk.
// The writer itself writes back only the few frames that were added meanwhile. At that moment,
// everything is written back and the log can start again.
type Checkpointer struct {
	conn     *Conn
	wake     chan struct{}
	finished chan struct{}
	caughtUp atomic.Bool // all but a few frames are written back
	logSize  int64       // at which the log is written back
	next     int64       // the log's size at which it is woken; only the writer uses it
}

// StartCheckpointer starts a checkpointer. It writes the log back when it has grown to logSize
// bytes. If reads then keep the log from starting again, it tries again when the log has grown by
// another quarter of logSize.
func StartCheckpointer(path string, logSize int64) (*Checkpointer, error) {
	c, err := Open(path, "synchronous = FULL", "wal_autocheckpoint = 0")
	if err != nil {
		return nil, err
	}
	if err := c.Row("SELECT count(*) FROM sqlite_schema").Scan(new(int)); err != nil { // the first read opens the log
		c.Close()
		return nil, err
	}
	k := &Checkpointer{conn: c, wake: make(chan struct{}, 1), finished: make(chan struct{}), logSize: logSize, next: logSize}
	go k.run()
	return k, nil
}

// Stop stops the checkpointer. AfterCommit must not be called any more.
func (k *Checkpointer) Stop() {
	close(k.wake)
	<-k.finished
}

func (k *Checkpointer) run() {
	defer close(k.finished)
	defer k.conn.Close()
	for range k.wake {
		for range maxRounds {
			left, err := k.conn.writeBack()
			if err != nil {
				break // the disk may be full: the log grows until the next try
			}
			if left <= fewFrames {
				k.caughtUp.Store(true)
				break
			}
		}
	}
}

// writeBack copies frames of the log into the database, and returns how many are left. It waits
// for no other connection, and no other connection waits for it.
func (c *Conn) writeBack() (left int, err error) {
	var busy, frames, done int
	err = c.Row("PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &frames, &done)
	return frames - done, err
}

// AfterCommit must be called by the writer after each commit, with its connection and the log's
// size.
func (k *Checkpointer) AfterCommit(writer *Conn, logSize int64) {
	if k.caughtUp.CompareAndSwap(true, false) {
		writer.writeBack() // the remaining frames; the next commit starts the log again
	}
	if logSize < k.logSize {
		k.next = k.logSize
	}
	if logSize < k.next {
		return
	}
	k.next = logSize + k.logSize/4
	select {
	case k.wake <- struct{}{}:
	default:
	}
}
