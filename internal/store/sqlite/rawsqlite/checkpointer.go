package rawsqlite

import "sync/atomic"

const (
	// DefaultLogSize is the size, in bytes, at which the log is written back.
	DefaultLogSize = 16 << 20
	// maxRounds bounds how often the checkpointer writes back what came while it did so, and
	// fewFrames is what it may leave to the writer.
	maxRounds = 4
	fewFrames = 64
)

// Checkpointer writes the log back into the database beside the writer, on a connection of its
// own. SQLite would do so at the end of a commit, and every caller would wait for the disk. The
// writer itself writes back only the little that came since, so that there is a moment at which
// all is written back and the log can start again.
type Checkpointer struct {
	conn     *Conn
	wake     chan struct{}
	finished chan struct{}
	caughtUp atomic.Bool // all but a few frames are written back
	logSize  int64       // at which the log is written back
	next     int64       // the log's size at which it is woken; only the writer touches it
}

// StartCheckpointer opens its connection and starts its goroutine. The log is written back when it
// has grown to logSize bytes; if reads then keep it from starting again, the next try comes when it
// has grown by a quarter of that.
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

// Stop ends it. The writer must have made its last call of AfterCommit.
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
				break // the disk may be full: the log grows, and the next wake tries again
			}
			if left <= fewFrames {
				k.caughtUp.Store(true)
				break
			}
		}
	}
}

// writeBack copies frames of the log into the database, and returns how many are left. It is
// passive: it waits for no connection, and none waits for it.
func (c *Conn) writeBack() (left int, err error) {
	var busy, frames, done int
	err = c.Row("PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &frames, &done)
	return frames - done, err
}

// AfterCommit is what the writer calls after each commit, with its connection and the log's size.
func (k *Checkpointer) AfterCommit(writer *Conn, logSize int64) {
	if k.caughtUp.CompareAndSwap(true, false) {
		writer.writeBack() // what is left; the next commit starts the log again
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
