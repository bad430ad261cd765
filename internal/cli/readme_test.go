package cli_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestREADMECommandsRun runs each block of shell commands in the README, in order,
// as it is written: but for the ports, which are free ones here, and for `make
// test`, which runs this very test. A block that starts a server is left running
// until the end.
func TestREADMECommandsRun(t *testing.T) {
	for _, tool := range []string{"bash", "make", "curl", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the README's commands need %s; install it (Debian, Ubuntu: apt-get install %s)", tool, tool)
		}
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	api, receiver := freePort(t), freePort(t)
	variables := filepath.Join(t.TempDir(), "variables")
	if err := os.WriteFile(variables, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sh := shell{
		variables: variables,
		ports:     strings.NewReplacer("8000", api, "9000", receiver),
		env: append(os.Environ(), "HOOKFERRY_ADDR=127.0.0.1:"+api, "HOOKFERRY_ADMIN_ADDR=off", "HOOKFERRY_DATA="+t.TempDir(),
			"LOG_LEVEL=INFO", "GOFLAGS=-buildvcs=false"),
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 5 {
		t.Fatalf("only %d blocks of commands were found", len(blocks))
	}
	for _, b := range blocks {
		for _, command := range commands(b[1]) {
			switch {
			case strings.HasPrefix(command, "make test"):
			case strings.Contains(command, "hookferry serve"):
				sh.start(t, command)
				waitFor(t, api)
			case strings.Contains(command, "hookferry listen"):
				sh.start(t, command)
				waitFor(t, receiver)
			default:
				sh.run(t, command)
			}
		}
	}
	out := sh.run(t, `for _ in $(seq 300); do
  curl -s "http://localhost:8000/status/delivery/$DELIVERY_ID" | grep -q '"status": *"delivered"' && echo arrived && exit 0
  sleep 0.1
done`)
	if !strings.Contains(out, "arrived") {
		t.Errorf("the event that the README sends was not delivered:\n%s", sh.said())
	}
	if said := sh.said(); !strings.Contains(said, "verified") || !strings.Contains(said, "user.created") {
		t.Errorf("the receiver did not verify the README's event:\n%s", said)
	}
}

// commands splits a block where a line starts a server, which needs a shell of its own.
func commands(block string) []string {
	var list []string
	rest := ""
	for line := range strings.Lines(block) {
		if strings.Contains(line, "hookferry serve") || strings.Contains(line, "hookferry listen") {
			list = append(list, rest, line)
			rest = ""
			continue
		}
		rest += line
	}
	list = append(list, rest)
	var some []string
	for _, c := range list {
		if strings.TrimSpace(c) != "" {
			some = append(some, c)
		}
	}
	return some
}

// shell runs commands one after the other, at the root of the repository, with the
// variables that those before have set.
type shell struct {
	ports     *strings.Replacer
	env       []string
	variables string // a file that keeps them
	mu        sync.Mutex
	output    bytes.Buffer // of the servers
}

func (s *shell) run(t *testing.T, command string) string {
	t.Helper()
	out, err := s.command("set -a; . " + s.variables + "; trap 'export -p > " + s.variables + "' EXIT\n" + command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s\nthe servers said:\n%s", command, err, out, s.said())
	}
	return string(out)
}

func (s *shell) start(t *testing.T, command string) {
	t.Helper()
	cmd := s.command("exec " + command)
	cmd.Stdout, cmd.Stderr = (*lockedWriter)(s), (*lockedWriter)(s)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s after SIGTERM: %v", command, err)
		}
	})
}

func (s *shell) command(text string) *exec.Cmd {
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", s.ports.Replace(text))
	cmd.Dir, cmd.Env = "../..", s.env
	return cmd
}

func (s *shell) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.String()
}

type lockedWriter shell

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.output.Write(p)
}

var _ io.Writer = (*lockedWriter)(nil)

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func waitFor(t *testing.T, port string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing listens on port %s: %v", port, err)
		}
	}
}
