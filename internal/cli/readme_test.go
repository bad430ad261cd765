package cli_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestREADMECommandsRun pastes every block of shell commands in the README, and then those
// of docs/api.md, into one shell, in order, at the root of the repository. Three things differ
// from what a reader does: the ports are free ones; a response of 4xx or 5xx to curl is an
// error; and of `make deps test`, which runs this very test, it is only checked that make
// knows both targets.
func TestREADMECommandsRun(t *testing.T) {
	for _, tool := range []string{"bash", "make", "curl", "sed", "base64"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the README's commands need %s; install it (Debian, Ubuntu: apt-get install %s)", tool, tool)
		}
	}
	blocks := commandsIn(t, "README.md")
	wanted := []string{"go run ./cmd/hookferry demo\n", "make deps test\n"}
	if len(blocks) < 4 || blocks[0] != wanted[0] || blocks[1] != wanted[1] {
		t.Fatalf("the README has the commands %q; the first ones must be %q, and more must follow", blocks, wanted)
	}
	blocks[1] = "make -n deps test >/dev/null\n"
	blocks = append(blocks, commandsIn(t, "docs/api.md")...)

	api, endpoint := freePort(t), freePort(t)
	script := strings.NewReplacer(":8000", ":"+api, ":9000", ":"+endpoint).Replace(strictCurl + strings.Join(blocks, "") + untilDelivered)
	out := runScript(t, script, "HOOKFERRY_ADDR=127.0.0.1:"+api, "HOOKFERRY_ADMIN_ADDR=off", "HOOKFERRY_DATA="+t.TempDir(),
		"LOG_LEVEL=INFO", "GOFLAGS=-buildvcs=false")

	if strings.Contains(out, "signature WRONG") {
		t.Errorf("the endpoint got a wrong signature:\n%s", out)
	}
	for what, wanted := range map[string]string{
		"the demo accounts for its events": "400 accepted =",
		"the endpoint verifies the event":  "verified",
		"the endpoint prints the event":    "user.created",
		"the event is delivered":           "DELIVERED",
		"the servers stop without errors":  "STOPPED 0 0",
	} {
		if !strings.Contains(out, wanted) {
			t.Errorf("%s: there is no %q in what the README's commands print:\n%s", what, wanted, out)
		}
	}
}

const strictCurl = `curl() { command curl --fail-with-body "$@"; }
`

// untilDelivered waits for the event that the README publishes, and then stops both servers, as
// the README says.
const untilDelivered = `
for _ in $(seq 300); do
  curl -s "http://localhost:8000/status/delivery/$DELIVERY_ID" | grep '"status": *"delivered"' >/dev/null && echo DELIVERED && break
  sleep 0.1
done
set -- $(jobs -p)
kill %1 %2
wait $1 && first=0 || first=$?
wait $2 && second=0 || second=$?
echo "STOPPED $first $second"
`

// commandsIn returns the blocks of shell commands in a document.
func commandsIn(t *testing.T, document string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, found[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no commands", document)
	}
	return blocks
}

// runScript runs a script in one shell, and returns what it and the servers that it starts
// print. No server is left when it returns.
func runScript(t *testing.T, script string, environment ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // the first build takes minutes
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"+script)
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), environment...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with its servers
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the README's commands failed: %v\n%s", err, out)
	}
	return string(out)
}

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
