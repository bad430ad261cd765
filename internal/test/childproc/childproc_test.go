package childproc_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/test/childproc"
)

// shell starts a script, which is killed when the test ends.
func shell(t *testing.T, c childproc.Command, script string) *childproc.Process {
	t.Helper()
	c.Path, c.Args = "/bin/sh", []string{"-c", script}
	p, err := childproc.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func TestOutputAndStatus(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		command childproc.Command
		script  string
		want    string
		status  int
	}{
		"both outputs, in order":       {script: "echo out; echo err >&2; echo more", want: "out\nerr\nmore\n"},
		"a status that is not 0":       {script: "echo bye; exit 7", want: "bye\n", status: 7},
		"only its own environment":     {command: childproc.Command{Env: []string{"A=b"}}, script: `echo "$A$HOME"`, want: "b\n"},
		"its own directory":            {command: childproc.Command{Dir: dir}, script: "pwd -P", want: dir + "\n"},
		"what it started has the same": {script: "(echo child) & wait", want: "child\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var seen bytes.Buffer
			row.command.Output = &seen
			p := shell(t, row.command, row.script)
			err := p.Wait()
			var exit *exec.ExitError
			if row.status == 0 && err != nil || row.status != 0 && (!errors.As(err, &exit) || exit.ExitCode() != row.status) {
				t.Errorf("ended with %v, want status %d", err, row.status)
			}
			if p.Output() != row.want || seen.String() != row.want {
				t.Errorf("printed %q, and to the writer %q; want %q", p.Output(), seen.String(), row.want)
			}
		})
	}
}

func TestOnlyTheEndOfTheOutputIsKept(t *testing.T) {
	p := shell(t, childproc.Command{}, `head -c 300000 /dev/zero | tr '\0' x; echo end`)
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if out := p.Output(); len(out) != 64<<10 || !strings.HasSuffix(out, "xend\n") {
		t.Errorf("%d bytes are kept, the last of them %q", len(out), out[max(0, len(out)-10):])
	}
}

func TestMissingProcess(t *testing.T) {
	_, err := childproc.Start(childproc.Command{Path: "/nowhere/server"})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/nowhere/server") {
		t.Errorf("a program that does not exist: %v", err)
	}
}

// After the end of a process, no method hangs or fails, even if called concurrently.
func TestSignalsAfterTheEnd(t *testing.T) {
	p := shell(t, childproc.Command{}, "exec sleep 600")
	go p.Kill()
	p.Kill()
	p.Freeze()
	p.Thaw()
	p.Kill()
	var exit *exec.ExitError
	if err := p.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Errorf("a process that was killed ended with %v", err)
	}
}

func TestUnprivileged(t *testing.T) {
	as, err := childproc.Unprivileged("nobody-of-that-name", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	want := os.Geteuid() // if this process is not root
	if as != nil {
		want = int(as.Uid)
	}
	if want == 0 {
		t.Error("it is root")
	}
	p := shell(t, childproc.Command{As: as, Dir: "/"}, "id -u")
	if err := p.Wait(); err != nil || p.Output() != fmt.Sprintln(want) {
		t.Errorf("runs as user %q (%v), want %d", p.Output(), err, want)
	}
}

func TestFreePort(t *testing.T) {
	port, err := childproc.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if port >= 32768 {
		t.Errorf("%d is a port that an outgoing connection may take", port)
	}
}
