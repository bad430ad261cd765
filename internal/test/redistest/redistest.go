// Package redistest gives tests their own Redis. It starts the installed redis-server on a free
// port and in a temporary directory, and stops it when the tests end, even if they crash.
//
// It never uses an existing server or the machine's own configuration, and it never skips: if Redis
// is not installed, Start says what to install. It is not a client: Do is for single commands.
//
// Start with Run, which TestMain calls. A TestMain that also needs a PostgreSQL starts the Redis
// itself, around pgtest.Run:
//
//	func TestMain(m *testing.M) { os.Exit(run(m)) }
//
//	func run(m *testing.M) int {
//		redis, err := redistest.Start()
//		if err != nil {
//			fmt.Fprintln(os.Stderr, err)
//			return 1
//		}
//		defer redis.Remove()
//		return pgtest.Run(m, func(postgres *pgtest.Server) error { ... })
//	}
package redistest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/childproc"
)

// missing tells a developer who has no Redis what to install.
const missing = "redis-server is not installed, and these tests need it: on Debian or Ubuntu, run `apt-get install redis-server` (or `make deps`); elsewhere, put redis-server, version 7 or later, on the PATH"

// inUse is part of what redis-server prints if its port is taken.
const inUse = "ddress already in use"

// Server is a Redis server. Its files are in a temporary directory.
type Server struct {
	bin      string
	dir      string
	settings []string
	password string
	trust    *tls.Config // nil without TLS
	port     int
	process  atomic.Pointer[childproc.Process]
}

// Run starts a server, runs the tests with it and removes it. It returns the exit status for
// TestMain.
func Run(m *testing.M, use func(*Server) error, settings ...string) int {
	return childproc.RunTests(m, func() (*Server, error) { return Start(settings...) }, use)
}

// Start creates and starts a server. Settings are lines of redis.conf, such as "maxmemory 2mb" or
// "requirepass secret". Without settings, it stores nothing on disk.
func Start(settings ...string) (*Server, error) { return start(settings, false) }

// StartTLS is Start for a server that supports only TLS, with its own certificate for 127.0.0.1 and
// localhost: see CertFile.
func StartTLS(settings ...string) (*Server, error) { return start(settings, true) }

func start(settings []string, secure bool) (*Server, error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New(missing)
	}
	s := &Server{bin: bin, settings: settings, password: password(settings)}
	if s.dir, err = os.MkdirTemp("", "hookferry-redis-"); err != nil {
		return nil, err
	}
	if secure {
		s.trust, err = certify(s.CertFile(), s.keyFile())
	}
	if err == nil {
		err = s.choosePort()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

// choosePort tries several ports, because a free port may be taken before the server starts.
func (s *Server) choosePort() error {
	var err error
	for range 5 {
		if s.port, err = childproc.FreePort(); err != nil {
			return err
		}
		if err = s.Start(); err == nil || !strings.Contains(err.Error(), inUse) {
			return err
		}
	}
	return err
}

// Start starts the server again after Stop or Kill, on the same port.
func (s *Server) Start() error {
	if p := s.process.Load(); p != nil && !over(p) {
		return fmt.Errorf("redis-server is already running, with process id %d", p.Pid())
	}
	if err := os.WriteFile(s.confFile(), []byte(s.conf()), 0o600); err != nil {
		return err
	}
	p, err := childproc.Start(childproc.Command{Path: s.bin, Args: []string{s.confFile()}, Dir: s.dir})
	if err != nil {
		return err
	}
	if err := s.ready(p); err != nil {
		p.Kill()
		return fmt.Errorf("%w; it printed:\n%s", err, p.Output())
	}
	s.process.Store(p)
	return nil
}

// ready waits until the server responds, and checks that it is this one: another server may have
// taken the port.
func (s *Server) ready(p *childproc.Process) error {
	deadline := time.After(time.Minute)
	for {
		err := s.answers(p.Pid())
		if err == nil {
			return nil
		}
		select {
		case <-p.Ended():
			return fmt.Errorf("redis-server exited at once: %w", p.Wait())
		case <-deadline:
			return fmt.Errorf("redis-server does not respond on %s: %w", s.Addr(), err)
		case <-time.After(10 * time.Millisecond): // there is no signal that it is ready
		}
	}
}

func (s *Server) answers(pid int) error {
	if _, err := s.Do("PING"); err != nil {
		return err
	}
	info, err := s.Do("INFO", "server")
	if err == nil && !slices.Contains(strings.Fields(info), "process_id:"+strconv.Itoa(pid)) {
		return fmt.Errorf("another server responds on %s", s.Addr())
	}
	return err
}

func over(p *childproc.Process) bool {
	select {
	case <-p.Ended():
		return true
	default:
		return false
	}
}

// Addr returns the server's host and port, which do not change.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL returns the server's URL, with the password if the settings have one.
func (s *Server) URL() string {
	u := url.URL{Scheme: "redis", Host: s.Addr(), Path: "/0"}
	if s.trust != nil {
		u.Scheme = "rediss"
	}
	if s.password != "" {
		u.User = url.UserPassword("", s.password)
	}
	return u.String()
}

// Pid returns the process id of the server.
func (s *Server) Pid() int { return s.process.Load().Pid() }

// CPU returns the CPU time of the server since its last start, or 0 without /proc.
func (s *Server) CPU() time.Duration { return childproc.CPU(s.Pid()) }

// Stop shuts the server down, even if it is frozen, and closes its connections. Start starts it
// again.
func (s *Server) Stop() {
	p := s.process.Load()
	p.Signal(syscall.SIGTERM)
	p.Thaw()
	_ = p.Wait()
}

// Kill kills the server with SIGKILL, as in a crash.
func (s *Server) Kill() { s.process.Load().Kill() }

// Freeze stops the server wherever it is: it does not respond, and its connections stay open. Thaw
// ends that.
func (s *Server) Freeze() { s.process.Load().Freeze() }

// Thaw ends Freeze.
func (s *Server) Thaw() { s.process.Load().Thaw() }

// Remove stops the server and deletes its files.
func (s *Server) Remove() {
	s.Kill()
	_ = os.RemoveAll(s.dir)
}

// CertFile returns the certificate of a server with TLS. Clients must trust it; a Go program does
// if SSL_CERT_FILE names it.
func (s *Server) CertFile() string { return filepath.Join(s.dir, "cert.pem") }

func (s *Server) keyFile() string { return filepath.Join(s.dir, "key.pem") }

func (s *Server) confFile() string { return filepath.Join(s.dir, "redis.conf") }
