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

// receiver plays all endpoints. The path of each says how it behaves. It counts in the ledger of
// the current phase.
type receiver struct {
	listener net.Listener
	load     Load
	tls      *tls.Config // nil for plain HTTP
	ledger   atomic.Pointer[ledger]

	mu     sync.Mutex
	open   map[net.Conn]bool // nil after close
	serves sync.WaitGroup
}

func newReceiver(ctx context.Context, addr string, load Load) (*receiver, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("can't listen on %q for the endpoints: %w; choose another address with --listen", addr, err)
	}
	r := &receiver{listener: l, load: load, open: map[net.Conn]bool{}}
	if load.HTTPS {
		cert, err := newCertificate(r.addr())
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("create a certificate for the endpoints: %w", err)
		}
		r.tls = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	r.serves.Go(r.accept)
	return r, nil
}

func (r *receiver) addr() string { return r.listener.Addr().String() }

// url returns the URL of a subscription's endpoint.
func (r *receiver) url(load Load, subscription int) string {
	scheme := "http"
	if r.tls != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s/%s/%d", scheme, r.addr(), behaviourNames[load.behaviourOf(subscription)], subscription)
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

// close closes all connections, including those that hang, and waits until nothing is counted any
// more.
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
	responseOK             = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	responseFailing        = []byte("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
	responseOKClosing      = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	responseFailingClosing = []byte("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	responseUnknownPath    = []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
)

func (r *receiver) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		r.mu.Lock()
		delete(r.open, conn)
		r.mu.Unlock()
	}()
	if r.tls == nil {
		r.respondOn(conn)
		return
	}
	c := tls.Server(conn, r.tls)
	r.respondOn(c)
	c.Close() // sends TLS's closing alert
}

// respondOn responds to the requests on a connection.
func (r *receiver) respondOn(conn net.Conn) {
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
		response, closes := r.responseOf(m)
		if _, err := conn.Write(response); err != nil || closes {
			return
		}
	}
}

// responseOf returns the response of an endpoint, and whether the connection is then closed.
func (r *receiver) responseOf(m behaviour) (response []byte, closes bool) {
	switch {
	case m == -1:
		return responseUnknownPath, true
	case m == failing && r.load.Close:
		return responseFailingClosing, true
	case m == failing:
		return responseFailing, false
	case r.load.Close:
		return responseOKClosing, true
	}
	return responseOK, false
}

// take reads and counts one request. The result is -1 for an unknown path.
func (r *receiver) take(in *bufio.Reader) (behaviour, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	m := behaviourOfPath(line)
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
		l.recordArrival(n, posted)
	}
	return m, nil
}

// behaviourOfPath parses "POST /slow/12 HTTP/1.1".
func behaviourOfPath(line []byte) behaviour {
	_, path, _ := bytes.Cut(line, []byte(" /"))
	name, rest, _ := bytes.Cut(path, []byte("/"))
	digits, _, _ := bytes.Cut(rest, []byte(" "))
	if _, err := strconv.Atoi(string(digits)); err != nil {
		return -1
	}
	for m := range behaviourNames {
		if string(name) == behaviourNames[m] {
			return behaviour(m)
		}
	}
	return -1
}
