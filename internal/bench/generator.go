package bench

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// door is where a phase's events are posted: the host, and the start of a request to
// each subscription.
type door struct {
	addr  string // host:port
	heads [][]byte
}

// newDoor prepares requests. Each path is that of a subscription; the header lines, "" or
// ending in CRLF, go with every request.
func newDoor(addr string, paths []string, lines string, size int) door {
	d := door{addr: addr, heads: make([][]byte, len(paths))}
	for i, path := range paths {
		d.heads[i] = []byte("POST " + path + " HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/json\r\n" +
			lines + "Content-Length: " + strconv.Itoa(size) + "\r\n\r\n")
	}
	return d
}

// post posts events for so long, counting into the ledger, and returns when the last
// one is answered. An error is of the first connection that could not be opened.
func (d door) post(ctx context.Context, l *ledger, long time.Duration) error {
	var wg sync.WaitGroup
	errs := make(chan error, l.load.Connections)
	ctx, cancel := context.WithDeadline(ctx, l.start.Add(long))
	defer cancel()
	for range l.load.Connections {
		wg.Go(func() { errs <- d.connection(ctx, l) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// patience is how long an answer may take before the connection counts as broken.
const patience = 30 * time.Second

// connection posts one event after another, on a new connection when one broke.
func (d door) connection(ctx context.Context, l *ledger) error {
	body := newBody(l.run, l.load.Size)
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.addr)
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("connect to the service at %s: %w", d.addr, err)
		}
		d.speak(ctx, conn, l, body)
		conn.Close()
	}
	return nil
}

// speak posts on one connection until it breaks or the time is over.
func (d door) speak(ctx context.Context, conn net.Conn, l *ledger, body []byte) {
	in := bufio.NewReaderSize(conn, 4<<10)
	var request []byte
	for ctx.Err() == nil {
		n := l.next.Add(1) - 1
		posted, ok := l.wait(ctx, n)
		if !ok {
			return
		}
		number(body, n, posted)
		request = append(append(request[:0], d.heads[l.load.subscriptionOf(n)]...), body...)
		conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write(request); err != nil {
			l.broken.Add(1)
			return
		}
		status, closing, err := readAnswer(in)
		if err != nil {
			l.broken.Add(1)
			return
		}
		l.took(n, status, posted)
		if closing {
			return
		}
	}
}

// wait waits until it is the n-th event's turn and returns from when its time counts.
// Without a rate that is now. With one it is the moment at which the event was to be
// posted: where all connections wait for answers, and it is posted late, what it waited
// counts too, or else a service that stalls would be asked less and look good. Only what
// this machine's own timer is late by is not counted.
func (l *ledger) wait(ctx context.Context, n uint64) (from time.Time, ok bool) {
	now := time.Now()
	if l.load.Rate == 0 {
		return now, true
	}
	turn := l.start.Add(time.Duration(float64(n) / float64(l.load.Rate) * float64(time.Second)))
	early := turn.Sub(now)
	if early <= 0 {
		return turn, true
	}
	timer := time.NewTimer(early)
	defer timer.Stop()
	select {
	case <-timer.C:
		return time.Now(), true
	case <-ctx.Done():
		return now, false
	}
}
