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

// Options configure a Server.
type Options struct {
	Addr  string        // if empty, a free port of 127.0.0.1
	Pace  time.Duration // between two bytes of a slow kind; a second if 0
	Ended func(Ended)   // called when a connection has ended; may be nil; calls may overlap
}

// Ended describes a connection that has ended, no matter which side ended it.
type Ended struct {
	Peer  string
	Began time.Time
	Took  time.Duration
	Wrote int64 // bytes that the system accepted, whether or not the other side read them
}

// Count is what a Server has seen so far.
type Count struct {
	Accepted int
	Open     int
	Wrote    int64 // bytes, on all connections
}

// Server plays the script of one kind on each connection.
type Server struct {
	kind     Kind
	config   *tls.Config
	pace     time.Duration
	ended    func(Ended)
	listener net.Listener
	done     chan struct{} // closed by Close
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
		return nil, fmt.Errorf("the hostile endpoint can't listen on %q: %w", o.Addr, err)
	}
	s.listener = l
	s.running.Go(s.accept)
	return s, nil
}

// Addr returns the address that it listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL returns a URL to call from this machine.
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

// Certificate returns the certificate that it shows, or nil.
func (s *Server) Certificate() *x509.Certificate {
	if s.config == nil {
		return nil
	}
	return s.config.Certificates[0].Leaf
}

// Count returns what it has seen.
func (s *Server) Count() Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Count{Accepted: s.accepted, Open: len(s.open), Wrote: s.wrote.Load()}
}

// Close ends the server and its connections, and waits for them. It must be called only once.
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

// accept runs until the listener is closed. It ignores other errors, such as too many open files.
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

// keep registers a connection, unless the server is closing.
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
			return // the other side is gone, or the server is closing
		}
	}
}

// wait returns false if the server is closed before d has passed.
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

// exchange is one connection and its progress.
type exchange struct {
	server *Server
	tcp    *net.TCPConn
	out    io.Writer // the connection, or TLS on it
	in     *bufio.Reader
	body   io.Reader // body of the request, once its header is read
	wrote  int64
}

func (x *exchange) Write(p []byte) (int, error) {
	n, err := x.out.Write(p)
	x.wrote += int64(n)
	x.server.wrote.Add(int64(n))
	return n, err
}

func (x *exchange) wait(d time.Duration) bool { return x.server.wait(d) }
