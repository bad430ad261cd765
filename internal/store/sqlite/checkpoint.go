package sqlite

import "sync/atomic"

// The log is written back into the file, page by page, when it has grown long enough, and then
// begins anew. SQLite would do that at the end of a commit, and everybody would wait for the
// disk. A checkpointer does it beside the writer, which goes on meanwhile; what has come since
// is little, and that the writer does itself, so that there is a moment at which all is done.
const (
	// logLong is how many bytes are long enough, and logLonger how many more there must be
	// before the next try, where reads kept the log from beginning anew.
	logLong   = 16 << 20
	logLonger = 4 << 20
	// catchUp bounds how often the checkpointer goes over what came while it was at it, and
	// fewFrames is what may be left to the writer.
	catchUp   = 4
	fewFrames = 64
)

// writeBack is passive: it waits for nobody, and nobody for it.
const writeBack = `PRAGMA wal_checkpoint(PASSIVE)`

// checkpointer writes the log back beside the writer.
type checkpointer struct {
	conn     *conn
	wake     chan struct{}
	finished chan struct{}
	caughtUp atomic.Bool // all but a little is written back
	next     int64       // the log's length at which it is woken; the writer's alone
}

func startCheckpointer(path string) (*checkpointer, error) {
	c, err := openConn(path, "synchronous = FULL", "wal_autocheckpoint = 0")
	if err != nil {
		return nil, err
	}
	if err := c.row("SELECT count(*) FROM filed").Scan(new(int)); err != nil { // what opens the log
		c.close()
		return nil, err
	}
	k := &checkpointer{conn: c, wake: make(chan struct{}, 1), finished: make(chan struct{}), next: logLong}
	go k.run()
	return k, nil
}

// stop ends it. The writer has ended before.
func (k *checkpointer) stop() {
	close(k.wake)
	<-k.finished
}

func (k *checkpointer) run() {
	defer close(k.finished)
	defer k.conn.close()
	for range k.wake {
		for range catchUp {
			// Where it can't, the disk is full, say, the log grows, and it tries again.
			left, err := k.conn.writeBack()
			if err != nil {
				break
			}
			if left <= fewFrames {
				k.caughtUp.Store(true)
				break
			}
		}
	}
}

// writeBack returns how many frames of the log are left.
func (c *conn) writeBack() (left int, err error) {
	var busy, frames, done int
	err = c.row(writeBack).Scan(&busy, &frames, &done)
	return frames - done, err
}

// look is what the writer does after each commit, with the log's length.
func (k *checkpointer) look(length int64, w *conn) {
	if k.caughtUp.CompareAndSwap(true, false) {
		w.writeBack() // the rest; the next commit begins the log anew
	}
	if length < logLong {
		k.next = logLong
	}
	if length < k.next {
		return
	}
	k.next = length + logLonger
	select {
	case k.wake <- struct{}{}:
	default:
	}
}
