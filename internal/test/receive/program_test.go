package receive

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/childproc"
)

// program is a program in the document, and how to run it.
type program struct {
	file string
	// start returns the command for the file at this path.
	start func(t *testing.T, path string) childproc.Command
}

// programs are all programs in the document.
var programs = []program{
	{"webhook.go", startGo},
	{"library.go", startGo},
	{"plain.go", startGo},
	{"library.mjs", startNodeWithLibrary},
	{"plain.mjs", interpreter("node", "Node.js 18 or later")},
	{"plain.py", interpreter("python3", "Python 3.9 or later")},
	{"Plain.java", interpreter("java", "a JDK, Java 11 or later")},
}

// startGo builds the program in this module, which requires the packages that it imports.
func startGo(t *testing.T, path string) childproc.Command {
	t.Helper()
	built := path + ".bin"
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", built, path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return childproc.Command{Path: built}
}

// interpreter starts programs that need no build. whatItIs describes the interpreter in errors.
func interpreter(name, whatItIs string) func(*testing.T, string) childproc.Command {
	return func(t *testing.T, path string) childproc.Command {
		t.Helper()
		found, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%v: this test runs a program of docs/receive.md, which needs %s: run `make deps`, or put %s on the PATH", err, whatItIs, name)
		}
		return childproc.Command{Path: found, Args: []string{path}}
	}
}

// startNodeWithLibrary puts the libraries that scripts/deps installs beside the program.
func startNodeWithLibrary(t *testing.T, path string) childproc.Command {
	t.Helper()
	libraries, err := filepath.Abs("testdata/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(libraries, "standardwebhooks")); err != nil {
		t.Fatalf("%v: this test runs a program of docs/receive.md with the library of Standard Webhooks for Node.js: run `make deps`, which installs it", err)
	}
	if err := os.Symlink(libraries, filepath.Join(filepath.Dir(path), "node_modules")); err != nil {
		t.Fatal(err)
	}
	return interpreter("node", "Node.js 18 or later")(t, path)
}

// prepare writes the program to a file, and returns the command that starts it.
func (p program) prepare(t *testing.T) childproc.Command {
	t.Helper()
	found, _ := document(t)
	text := found[p.file]
	if text == "" {
		t.Fatalf("docs/receive.md has no program %s: no block of code begins with a comment that names it", p.file)
	}
	path := filepath.Join(t.TempDir(), p.file)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p.start(t, path)
}

// run starts a program with a secret.
func run(t *testing.T, c childproc.Command, secret string) (process *childproc.Process, address string) {
	t.Helper()
	port, err := childproc.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	c.Env = append(os.Environ(), "WEBHOOK_SECRET="+secret, "PORT="+strconv.Itoa(port))
	process, err = childproc.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Kill()
		if t.Failed() {
			t.Logf("with the secret %q it said:\n%s", secret, process.Output())
		}
	})
	return process, fmt.Sprintf("127.0.0.1:%d", port)
}

// serve starts a program, and returns its URL once it listens.
func serve(t *testing.T, c childproc.Command, secret string) (url string) {
	t.Helper()
	process, address := run(t, c, secret)
	awaitListening(t, process, address)
	return "http://" + address + "/webhook"
}

// refuse checks that a program ends with an error when it is started with this secret.
func refuse(t *testing.T, c childproc.Command, secret string) {
	t.Helper()
	process, _ := run(t, c, secret)
	select {
	case <-process.Ended():
		if process.Wait() == nil {
			t.Errorf("with the secret %q it ended with status 0", secret)
		}
	case <-time.After(await.Patience):
		t.Errorf("with the secret %q it still runs after %v", secret, await.Patience)
	}
}

// awaitListening waits until the process accepts connections.
func awaitListening(t *testing.T, process *childproc.Process, address string) {
	t.Helper()
	await.NoError(t, func() error {
		select {
		case <-process.Ended():
			t.Fatalf("it ended before it listened:\n%s", process.Output())
		default:
		}
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err
	})
}
