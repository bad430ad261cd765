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

// publisher is where a phase publishes its events: the host, and the beginning of the requests to each
// subscription.
type publisher struct {
	addr  string // host:port
	heads [][]byte
}

// newPublisher prepares requests. Each path is that of a subscription. lines are header lines for every
// request, each ending in CRLF.
func newPublisher(addr string, paths []string, lines string, size int) publisher {
	d := publisher{addr: addr, heads: make([][]byte, len(paths))}
	for i, path := range paths {
		d.heads[i] = []byte("POST " + path + " HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/json\r\n" +
			lines + "Content-Length: " + strconv.Itoa(size) + "\r\n\r\n")
	}
	return d
}

// post publishes events for the given time, counts them in the ledger, and returns after the last
// response. It fails if a connection can't be opened.
func (d publisher) post(ctx context.Context, l *ledger, long time.Duration) error {
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

// patience is how long a response may take before the connection counts as broken.
const patience = 30 * time.Second

// connection publishes one event after another. It opens a new connection if one breaks.
func (d publisher) connection(ctx context.Context, l *ledger) error {
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
		d.publishOn(ctx, conn, l, body)
		conn.Close()
	}
	return nil
}

// publishOn publishes on one connection until it breaks or the time is over.
func (d publisher) publishOn(ctx context.Context, conn net.Conn, l *ledger, body []byte) {
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
		status, closing, err := readResponse(in)
		if err != nil {
			l.broken.Add(1)
			return
		}
		l.recordResponse(n, status, posted)
		if closing {
			return
		}
	}
}

// wait waits for the turn of the n-th event, and returns the start of its latency. Without a rate,
// that is now. With a rate, it is the time at which the event was due, even if all connections were
// busy and it is published late: otherwise, a service that stalls would get less load and look
// fast. Only the delay of this machine's own timer does not count.
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
