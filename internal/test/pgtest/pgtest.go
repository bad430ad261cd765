// Package pgtest gives tests a PostgreSQL of their own: it starts the installed
// binaries on a free port and a temporary directory, makes a database for each
// test, and stops the server at the end, whatever became of the tests.
//
// It never uses a server that is there already, and it never skips: where
// PostgreSQL is not installed, Start says what to install.
//
// Start with Run, which is what TestMain calls.
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

// missing is what a developer is told who has no PostgreSQL.
const missing = "PostgreSQL's server is not installed, and these tests need a real one: on Debian or Ubuntu run `apt-get install postgresql` (or `make deps`); elsewhere put initdb and postgres on the PATH"

// directoryName is the variable that names the directory for the servers' files; without it,
// they are where temporary files are. In memory, databases are created in half the time.
// (A name that begins with HOOKFERRY_ would be refused by the service, as a mistyped setting.)
const directoryName = "PGTEST_DIR"

// Server is one PostgreSQL. Its files are in a temporary directory.
type Server struct {
	dir       string
	bin       string
	port      int
	user      *syscall.Credential // nil: as ourselves
	settings  []string
	process   *childproc.Process
	databases atomic.Int64
}

// Run starts a server, runs the tests with it and stops it. It returns the exit
// status for TestMain.
func Run(m *testing.M, use func(*Server) error, settings ...string) int {
	return childproc.RunTests(m, func() (*Server, error) { return Start(settings...) }, use)
}

// Start makes a server and starts it. Settings are "name=value", as in
// postgresql.conf. Without any, fsync is off: it changes nothing but what a crash
// of the machine would leave.
func Start(settings ...string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	if len(settings) == 0 {
		settings = []string{"fsync=off", "full_page_writes=off"}
	}
	s := &Server{bin: bin, settings: append(settings, "max_connections=300", "shared_buffers=64MB", "log_min_messages=fatal", "log_min_error_statement=panic")}
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
			s.port = 0 // it may have been taken meanwhile
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
		WithParent: syscall.SIGQUIT, // so that it takes its own processes along
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
			return fmt.Errorf("postgres ended at once:\n%s", p.Output())
		case <-ctx.Done():
			p.Signal(syscall.SIGQUIT)
			return fmt.Errorf("postgres does not answer: %w\n%s", err, p.Output())
		case <-time.After(20 * time.Millisecond): // it has no way to tell that it is ready
		}
	}
}

// URL is the address of a database of the server.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + database}
	u.RawQuery = "sslmode=disable"
	return u.String()
}

// Pid is the process id of the postmaster.
func (s *Server) Pid() int { return s.process.Pid() }

// Stop shuts the server down; connections are cut. Start starts it again.
func (s *Server) Stop() {
	s.process.Signal(syscall.SIGINT)
	<-s.process.Ended()
}

// Kill ends the postmaster and every backend with SIGKILL, as a crash would.
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

// Create makes a database as a copy of another; "" is an empty one.
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

// Database makes a database for one test, a copy of the template, and returns its
// URL. It is dropped when the test ends.
func (s *Server) Database(t testing.TB, template string) string {
	t.Helper()
	name, err := s.Create(t.Context(), template)
	if err != nil {
		t.Fatalf("make a database for the test: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		s.Drop(ctx, name)
	})
	return s.URL(name)
}

// Drop drops a database, if the server is there: it goes at the end with all its files.
func (s *Server) Drop(ctx context.Context, database string) {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return
	}
	defer conn.Close(ctx)
	_, _ = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)")
}

// binaries is the directory of the newest PostgreSQL that is installed.
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

// Freeze stops every process of the server in the middle of what it does: it
// answers nothing, and connections stay open. Thaw ends that.
func (s *Server) Freeze() { s.all(syscall.SIGSTOP) }

// Thaw is the end of Freeze.
func (s *Server) Thaw() { s.all(syscall.SIGCONT) }

func (s *Server) all(sig syscall.Signal) {
	for _, pid := range append(childproc.Children(s.process.Pid()), s.process.Pid()) {
		_ = syscall.Kill(pid, sig)
	}
}
