package redistest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var shared *Server

func TestMain(m *testing.M) {
	os.Exit(Run(m, func(s *Server) error {
		shared = s
		return nil
	}))
}

// own starts a server for one test.
func own(t *testing.T, settings ...string) *Server {
	t.Helper()
	s, err := Start(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Remove)
	return s
}

func do(t *testing.T, s *Server, want string, command ...string) {
	t.Helper()
	if got, err := s.Do(command...); err != nil || got != want {
		t.Fatalf("%s: %q (%v), want %q", command, got, err, want)
	}
}

func TestServerResponds(t *testing.T) {
	do(t, shared, "OK", "SET", "key", "a b\r\nc")
	do(t, shared, "a b\r\nc", "GET", "key") // a length, and then any bytes
	do(t, shared, "1", "INCR", "number")
	do(t, shared, "", "GET", "nothing")
	do(t, shared, "OK", "FLUSHALL")
	do(t, shared, "0", "DBSIZE")
	for _, wrong := range []string{"NONSENSE", "TIME"} { // an unknown command, and a response that is a list
		if answer, err := shared.Do(wrong); err == nil {
			t.Errorf("%s responded with %q", wrong, answer)
		}
	}
	if want := "redis://" + shared.Addr() + "/0"; shared.URL() != want {
		t.Errorf("the URL is %s, want %s", shared.URL(), want)
	}
}

// The machine's own configuration must not affect the server, and the server must write nothing to
// disk.
func TestDefaults(t *testing.T) {
	info, err := shared.Do("INFO")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"config_file:" + shared.confFile() + "\r\n", "aof_enabled:0\r\n", "tcp_port:" + strconv.Itoa(shared.port) + "\r\n"} {
		if !strings.Contains(info, want) {
			t.Errorf("INFO lacks %q", want)
		}
	}
	do(t, shared, "OK", "SET", "key", "value")
	s := own(t)
	s.Stop()
	if files, err := os.ReadDir(s.dir); err != nil || len(files) != 1 {
		t.Errorf("files after the stop: %v (%v), want only redis.conf", files, err)
	}
}

func TestItComesBackOnTheSamePort(t *testing.T) {
	for name, end := range map[string]func(*Server){
		"killed": (*Server).Kill, "stopped": (*Server).Stop,
		"stopped while frozen": func(s *Server) { s.Freeze(); s.Stop() },
		"killed while frozen":  func(s *Server) { s.Freeze(); s.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			s := own(t, "appendonly yes", "appendfsync always") // settings win over what is by default
			addr, pid := s.Addr(), s.Pid()
			do(t, s, "OK", "SET", "key", "value")
			end(s)
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("process %d is still there: %v", pid, err)
			}
			if answer, err := s.Do("PING"); err == nil {
				t.Errorf("it still responds with %q", answer)
			}
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			if s.Addr() != addr || s.Pid() == pid {
				t.Errorf("it was %s, process %d, and is %s, process %d", addr, pid, s.Addr(), s.Pid())
			}
			do(t, s, "value", "GET", "key")
			if err := s.Start(); err == nil {
				t.Error("a running server was started again")
			}
		})
	}
}

// A frozen server does not respond; after Thaw, it responds to everything it was asked.
func TestFreezeAndThaw(t *testing.T) {
	s := own(t)
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.Freeze()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 7)
	conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := conn.Read(answer); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("frozen, it responded with %q (%v)", answer[:n], err)
	}
	s.Thaw()
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err := conn.Read(answer); err != nil || string(answer) != "+PONG\r\n" {
		t.Errorf("thawed, it responded with %q (%v)", answer[:n], err)
	}
}

func TestRemoveLeavesNothing(t *testing.T) {
	for name, before := range map[string]func(*Server){
		"running": func(*Server) {}, "frozen": (*Server).Freeze, "killed": (*Server).Kill, "removed": (*Server).Remove,
	} {
		t.Run(name, func(t *testing.T) {
			s := own(t)
			before(s)
			s.Remove()
			if err := syscall.Kill(s.Pid(), 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("process %d is still there: %v", s.Pid(), err)
			}
			if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is still there: %v", s.dir, err)
			}
		})
	}
}

func TestFailuresSayWhy(t *testing.T) {
	t.Run("an unknown setting", func(t *testing.T) {
		t.Setenv("TMPDIR", t.TempDir())
		s, err := Start("wibble 7")
		if err == nil {
			s.Remove()
			t.Fatal("the server started")
		}
		if !strings.Contains(err.Error(), "wibble 7") { // in what redis-server prints
			t.Error(err)
		}
		if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
			t.Errorf("files are left: %v (%v)", left, err)
		}
	})
	t.Run("no redis-server", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := Start(); err == nil || !strings.Contains(err.Error(), "apt-get install redis-server") {
			t.Error(err)
		}
	})
	t.Run("a port that another Redis has", func(t *testing.T) {
		s := own(t)
		s.Kill()
		s.port = shared.port
		if err := s.Start(); err == nil || !strings.Contains(err.Error(), inUse) {
			t.Error(err)
		}
		do(t, shared, "PONG", "PING") // it must have been left alone
	})
}

func TestPassword(t *testing.T) {
	s := own(t, "requirepass se/cret")
	do(t, s, "PONG", "PING")
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := u.User.Password(); password != "se/cret" {
		t.Errorf("the URL has the password %q", password)
	}
	s.password = ""
	if answer, err := s.Do("PING"); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without the password it responds with %q (%v)", answer, err)
	}
}

func TestTLS(t *testing.T) {
	s, err := StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Remove)
	do(t, s, "PONG", "PING")
	s.Kill()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if want := "rediss://" + s.Addr() + "/0"; s.URL() != want {
		t.Errorf("the URL is %s, want %s", s.URL(), want)
	}

	cert, err := os.ReadFile(s.CertFile())
	if err != nil {
		t.Fatal(err)
	}
	trusting := x509.NewCertPool()
	trusting.AppendCertsFromPEM(cert)
	conn, err := tls.Dial("tcp", s.Addr(), &tls.Config{RootCAs: trusting, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()

	var unknown x509.UnknownAuthorityError
	if _, err := tls.Dial("tcp", s.Addr(), &tls.Config{RootCAs: x509.NewCertPool()}); !errors.As(err, &unknown) {
		t.Errorf("a client that does not trust the certificate got %v", err)
	}
	s.trust = nil
	if answer, err := s.Do("PING"); err == nil {
		t.Errorf("without TLS it responds with %q", answer)
	}
}
