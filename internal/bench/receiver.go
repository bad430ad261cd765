package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// receiver is all endpoints at once: the manner of each is in its path. It counts into
// the ledger of the present phase.
type receiver struct {
	listener net.Listener
	slowFor  time.Duration
	ledger   atomic.Pointer[ledger]

	mu     sync.Mutex
	open   map[net.Conn]bool // nil once it is closed
	serves sync.WaitGroup
}

func newReceiver(ctx context.Context, addr string, slowFor time.Duration) (*receiver, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("can't listen on %q for what is delivered: %w; choose another address with --listen", addr, err)
	}
	r := &receiver{listener: l, slowFor: slowFor, open: map[net.Conn]bool{}}
	r.serves.Go(r.accept)
	return r, nil
}

func (r *receiver) addr() string { return r.listener.Addr().String() }

// url is where the endpoint of a subscription is.
func (r *receiver) url(load Load, subscription int) string {
	return fmt.Sprintf("http://%s/%s/%d", r.addr(), manners[load.mannerOf(subscription)], subscription)
}

func (r *receiver) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		if r.open == nil {
			conn.Close()
		} else {
			r.open[conn] = true
			r.serves.Go(func() { r.serve(conn) })
		}
		r.mu.Unlock()
	}
}

// close ends all connections, those that hang too, and waits until nothing is counted any more.
func (r *receiver) close() {
	r.listener.Close()
	r.mu.Lock()
	for conn := range r.open {
		conn.Close()
	}
	r.open = nil
	r.mu.Unlock()
	r.serves.Wait()
}

var (
	answerOK      = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	answerFailing = []byte("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
	answerStrange = []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
)

func (r *receiver) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		r.mu.Lock()
		delete(r.open, conn)
		r.mu.Unlock()
	}()
	in := bufio.NewReaderSize(conn, 4<<10)
	for {
		m, err := r.take(in)
		if err != nil {
			return
		}
		answer := answerOK
		switch m {
		case slow:
			time.Sleep(r.slowFor)
		case failing:
			answer = answerFailing
		case hanging:
			in.Peek(1) // until the sender gives up
			return
		case -1:
			answer = answerStrange
		}
		if _, err := conn.Write(answer); err != nil || m == -1 {
			return
		}
	}
}

// take reads one request and counts it. The manner is -1 for a path that is none of ours.
func (r *receiver) take(in *bufio.Reader) (manner, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	m := mannerOfPath(line)
	length, _, err := readHeader(in)
	if err != nil {
		return 0, err
	}
	var run, n uint64
	var posted time.Time
	var ours bool
	if length >= headSize {
		head, err := in.Peek(headSize)
		if err != nil {
			return 0, err
		}
		run, n, posted, ours = readHead(head)
	}
	if _, err := in.Discard(length); err != nil {
		return 0, err
	}
	if l := r.ledger.Load(); ours && l != nil && l.run == run {
		l.arrive(n, posted)
	}
	return m, nil
}

// mannerOfPath reads "POST /slow/12 HTTP/1.1".
func mannerOfPath(line []byte) manner {
	_, path, _ := bytes.Cut(line, []byte(" /"))
	name, rest, _ := bytes.Cut(path, []byte("/"))
	digits, _, _ := bytes.Cut(rest, []byte(" "))
	if _, err := strconv.Atoi(string(digits)); err != nil {
		return -1
	}
	for m := range manners {
		if string(name) == manners[m] {
			return manner(m)
		}
	}
	return -1
}
