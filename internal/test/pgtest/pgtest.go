// Package pgtest gives tests their own PostgreSQL. It starts the installed binaries on a free port
// and a temporary directory, creates a database for each test, and stops the server when the tests
// end, even if they crash.
//
// It never uses an existing server, and it never skips: if PostgreSQL is not installed, Start says
// what to install.
//
// Start with Run, which TestMain calls.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/test/childproc"
)

// missing tells a developer who has no PostgreSQL what to install.
const missing = "the PostgreSQL server is not installed, and these tests need it: on Debian or Ubuntu, run `apt-get install postgresql` (or `make deps`); elsewhere, put initdb and postgres on the PATH"

// directoryName is the variable that names the directory of the servers' files. Without it,
// they are where temporary files are. In memory, databases are created in half the time.
// (A name that begins with HOOKFERRY_ would be refused by the service, as a mistyped setting.)
const directoryName = "PGTEST_DIR"

// Server is a PostgreSQL server. Its files are in a temporary directory.
type Server struct {
	dir       string
	bin       string
	port      int
	user      *syscall.Credential // nil for the current user
	settings  []string
	process   *childproc.Process
	databases atomic.Int64
}

// Run starts a server, runs the tests with it and removes it. It returns the exit status for
// TestMain.
func Run(m *testing.M, use func(*Server) error, settings ...string) int {
	return childproc.RunTests(m, func() (*Server, error) { return Start(settings...) }, use)
}

// Start creates and starts a server. Settings have the form "name=value", as in postgresql.conf.
// Without settings, fsync is off, which matters only if the machine crashes.
func Start(settings ...string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	if len(settings) == 0 {
		settings = []string{"fsync=off", "full_page_writes=off"}
	}
	s := &Server{bin: bin, settings: append([]string{"max_connections=300", "shared_buffers=64MB", "log_min_messages=fatal", "log_min_error_statement=panic"}, settings...)}
	if s.user, err = childproc.Unprivileged("postgres", "nobody"); err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root: %w", err)
	}
	if s.dir, err = os.MkdirTemp(os.Getenv(directoryName), "hookferry-pg-"); err != nil {
		return nil, err
	}
	if s.user != nil {
		if err := os.Chown(s.dir, int(s.user.Uid), int(s.user.Gid)); err != nil {
			return nil, errors.Join(err, os.RemoveAll(s.dir))
		}
	}
	if err := s.initialise(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

func (s *Server) initialise() error {
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), "--pgdata", s.data(), "--username=postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.user}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Start starts the server again after Stop or Kill, on the same port.
func (s *Server) Start() error {
	var err error
	for range 5 {
		if s.port == 0 {
			if s.port, err = childproc.FreePort(); err != nil {
				return err
			}
		}
		if err = s.startOnce(); err == nil {
			return nil
		}
		if s.databases.Load() == 0 {
			s.port = 0 // the port may have been taken in the meantime
		}
	}
	return err
}

func (s *Server) startOnce() error {
	args := []string{"-D", s.data(), "-k", s.dir, "-h", "127.0.0.1", "-p", strconv.Itoa(s.port)}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	p, err := childproc.Start(childproc.Command{
		Path: filepath.Join(s.bin, "postgres"), Args: args, Dir: s.dir, As: s.user,
		WithParent: syscall.SIGQUIT, // ends its child processes too
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			s.process = p
			return conn.Close(ctx)
		}
		select {
		case <-p.Ended():
			return fmt.Errorf("postgres exited at once:\n%s", p.Output())
		case <-ctx.Done():
			p.Signal(syscall.SIGQUIT)
			return fmt.Errorf("postgres does not respond: %w\n%s", err, p.Output())
		case <-time.After(20 * time.Millisecond): // there is no signal that it is ready
		}
	}
}

// URL returns the URL of a database on the server.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + database}
	u.RawQuery = "sslmode=disable"
	return u.String()
}

// Pid returns the process id of the postmaster.
func (s *Server) Pid() int { return s.process.Pid() }

// Stop shuts the server down and closes its connections. Start starts it again.
func (s *Server) Stop() {
	s.process.Signal(syscall.SIGINT)
	<-s.process.Ended()
}

// Kill kills the postmaster and every backend with SIGKILL, as in a crash.
func (s *Server) Kill() {
	kids := childproc.Children(s.process.Pid())
	s.process.Signal(syscall.SIGKILL)
	for _, pid := range kids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.process.Ended()
}

// Remove stops the server and deletes its files.
func (s *Server) Remove() {
	s.Thaw()
	s.process.Signal(syscall.SIGQUIT)
	<-s.process.Ended()
	_ = os.RemoveAll(s.dir)
}

// Create creates a database as a copy of another, or an empty one if template is "".
func (s *Server) Create(ctx context.Context, template string) (database string, err error) {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return "", err
	}
	defer conn.Close(context.Background())
	database = fmt.Sprintf("t%d", s.databases.Add(1))
	if template == "" {
		template = "template0"
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+database+" TEMPLATE "+template)
	return database, err
}

// Database creates a database for one test as a copy of the template, and returns its URL. It is
// dropped when the test ends.
func (s *Server) Database(t testing.TB, template string) string {
	t.Helper()
	name, err := s.Create(t.Context(), template)
	if err != nil {
		t.Fatalf("create a database for the test: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		s.Drop(ctx, name)
	})
	return s.URL(name)
}

// Drop drops a database, if the server is running: Remove deletes all databases anyway.
func (s *Server) Drop(ctx context.Context, database string) {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return
	}
	defer conn.Close(ctx)
	_, _ = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)")
}

// binaries returns the directory of the newest installed PostgreSQL.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	best, newest := "", 0
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"} {
		dirs, _ := filepath.Glob(pattern)
		for _, dir := range dirs {
			name := filepath.Base(filepath.Dir(dir))
			version, _ := strconv.Atoi(name[strings.LastIndexAny(name, "-@")+1:])
			if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil && version > newest {
				best, newest = dir, version
			}
		}
	}
	if best == "" {
		return "", errors.New(missing)
	}
	return best, nil
}

// Freeze stops all processes of the server wherever they are: they do not respond, and their
// connections stay open. Thaw ends that.
func (s *Server) Freeze() { s.all(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Server) Thaw() { s.all(syscall.SIGCONT) }

func (s *Server) all(sig syscall.Signal) {
	for _, pid := range append(childproc.Children(s.process.Pid()), s.process.Pid()) {
		_ = syscall.Kill(pid, sig)
	}
}
