package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
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
	load     Load
	tls      *tls.Config // nil: plain HTTP
	ledger   atomic.Pointer[ledger]

	mu     sync.Mutex
	open   map[net.Conn]bool // nil once it is closed
	serves sync.WaitGroup
}

func newReceiver(ctx context.Context, addr string, load Load) (*receiver, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("can't listen on %q for what is delivered: %w; choose another address with --listen", addr, err)
	}
	r := &receiver{listener: l, load: load, open: map[net.Conn]bool{}}
	if load.HTTPS {
		cert, err := newCertificate(r.addr())
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("make a certificate for the endpoints: %w", err)
		}
		r.tls = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	r.serves.Go(r.accept)
	return r, nil
}

func (r *receiver) addr() string { return r.listener.Addr().String() }

// url is where the endpoint of a subscription is.
func (r *receiver) url(load Load, subscription int) string {
	scheme := "http"
	if r.tls != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s/%s/%d", scheme, r.addr(), manners[load.mannerOf(subscription)], subscription)
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
	answerOK             = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	answerFailing        = []byte("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
	answerOKClosing      = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	answerFailingClosing = []byte("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	answerStrange        = []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
)

func (r *receiver) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		r.mu.Lock()
		delete(r.open, conn)
		r.mu.Unlock()
	}()
	if r.tls == nil {
		r.speak(conn)
		return
	}
	c := tls.Server(conn, r.tls)
	r.speak(c)
	c.Close() // with TLS's farewell
}

// speak answers the requests that come on a connection.
func (r *receiver) speak(conn net.Conn) {
	in := bufio.NewReaderSize(conn, 4<<10)
	for {
		m, err := r.take(in)
		if err != nil {
			return
		}
		if m == hanging {
			in.Peek(1) // until the sender gives up
			return
		}
		if m == slow {
			time.Sleep(r.load.SlowFor)
		}
		answer, closes := r.answerOf(m)
		if _, err := conn.Write(answer); err != nil || closes {
			return
		}
	}
}

// answerOf is the response of an endpoint, and whether it closes after that.
func (r *receiver) answerOf(m manner) (answer []byte, closes bool) {
	switch {
	case m == -1:
		return answerStrange, true
	case m == failing && r.load.Close:
		return answerFailingClosing, true
	case m == failing:
		return answerFailing, false
	case r.load.Close:
		return answerOKClosing, true
	}
	return answerOK, false
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
