package hostile

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a Server is made.
type Options struct {
	Addr  string        // a free port of 127.0.0.1 if empty
	Pace  time.Duration // between two bytes of a slow kind; a second if zero
	Ended func(Ended)   // is told of each connection that has ended; may be nil. Calls may overlap.
}

// Ended is a connection that has come to its end, by whichever side.
type Ended struct {
	Peer  string
	Began time.Time
	Took  time.Duration
	Wrote int64 // bytes that the system took from us, read by the other end or not
}

// Count is what a Server has seen so far.
type Count struct {
	Accepted int
	Open     int
	Wrote    int64 // bytes, on all connections
}

// Server plays the script of one kind to each connection.
type Server struct {
	kind     Kind
	config   *tls.Config
	pace     time.Duration
	ended    func(Ended)
	listener net.Listener
	done     chan struct{} // closed with the server
	running  sync.WaitGroup
	wrote    atomic.Int64

	mu       sync.Mutex
	open     map[net.Conn]struct{}
	accepted int
}

// Listen starts a Server.
func Listen(kind Kind, o Options) (*Server, error) {
	s := &Server{
		kind: kind, pace: cmp.Or(o.Pace, time.Second), ended: o.Ended,
		done: make(chan struct{}), open: map[net.Conn]struct{}{},
	}
	if kind.config != nil {
		config, err := kind.config()
		if err != nil {
			return nil, err
		}
		s.config = config
	}
	l, err := net.Listen("tcp", cmp.Or(o.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("the hostile receiver can't listen on %q: %w", o.Addr, err)
	}
	s.listener = l
	s.running.Go(s.accept)
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is what to call on this machine.
func (s *Server) URL() string {
	addr := s.Addr()
	if a, err := netip.ParseAddrPort(addr); err == nil && a.Addr().IsUnspecified() {
		addr = fmt.Sprintf("127.0.0.1:%d", a.Port())
	}
	if s.kind.HTTPS {
		return "https://" + addr + "/"
	}
	return "http://" + addr + "/"
}

// Certificate is what it shows, or nil.
func (s *Server) Certificate() *x509.Certificate {
	if s.config == nil {
		return nil
	}
	return s.config.Certificates[0].Leaf
}

// Count says what it has seen.
func (s *Server) Count() Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Count{Accepted: s.accepted, Open: len(s.open), Wrote: s.wrote.Load()}
}

// Close ends the server and its connections, and waits until all have ended. It may
// be called once.
func (s *Server) Close() {
	s.listener.Close()
	s.mu.Lock()
	close(s.done)
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// accept goes on until the listener is closed. Errors in between, such as too many
// open files, pass by.
func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			s.wait(10 * time.Millisecond)
			continue
		}
		if s.keep(c) {
			s.running.Go(func() { s.play(c) })
		}
	}
}

// keep takes a connection in, unless the server is being closed.
func (s *Server) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
		c.Close()
		return false
	default:
	}
	s.open[c] = struct{}{}
	s.accepted++
	return true
}

func (s *Server) play(c net.Conn) {
	began := time.Now()
	x := &exchange{server: s, tcp: c.(*net.TCPConn), out: c, in: bufio.NewReader(c)}
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.open, c)
		s.mu.Unlock()
		if s.ended != nil {
			s.ended(Ended{Peer: c.RemoteAddr().String(), Began: began, Took: time.Since(began), Wrote: x.wrote})
		}
	}()
	if s.config != nil {
		secure := tls.Server(c, s.config)
		x.out, x.in = secure, bufio.NewReader(secure)
	}
	for _, do := range s.kind.script {
		if do(x) != nil {
			return // the other end has gone, or the server is being closed
		}
	}
}

// wait returns false when the server is closed meanwhile.
func (s *Server) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.done:
		return false
	}
}

// exchange is one connection and how far it has come.
type exchange struct {
	server *Server
	tcp    *net.TCPConn
	out    io.Writer // the connection, or TLS on it
	in     *bufio.Reader
	body   io.Reader // of the request, once its header is read
	wrote  int64
}

func (x *exchange) Write(p []byte) (int, error) {
	n, err := x.out.Write(p)
	x.wrote += int64(n)
	x.server.wrote.Add(int64(n))
	return n, err
}

func (x *exchange) wait(d time.Duration) bool { return x.server.wait(d) }
