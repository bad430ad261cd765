package cli_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestREADMECommandsRun pastes every block of shell commands in the README into one
// shell, in order, at the root of the repository. Two things differ from what a reader
// does: the ports are free ones, and of `make deps test`, which runs this very test, it is
// only checked that make knows both targets.
func TestREADMECommandsRun(t *testing.T) {
	for _, tool := range []string{"bash", "make", "curl", "sed", "base64"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the README's commands need %s; install it (Debian, Ubuntu: apt-get install %s)", tool, tool)
		}
	}
	blocks := readmeCommands(t)
	wanted := []string{"go run ./cmd/hookferry demo\n", "make deps test\n"}
	if len(blocks) < 4 || blocks[0] != wanted[0] || blocks[1] != wanted[1] {
		t.Fatalf("the README has the commands %q; the first ones must be %q, and more must follow", blocks, wanted)
	}
	blocks[1] = "make -n deps test >/dev/null\n"

	api, endpoint := freePort(t), freePort(t)
	script := strings.NewReplacer(":8000", ":"+api, ":9000", ":"+endpoint).Replace(strings.Join(blocks, "") + untilDelivered)
	out := runScript(t, script, "HOOKFERRY_ADDR=127.0.0.1:"+api, "HOOKFERRY_ADMIN_ADDR=off", "HOOKFERRY_DATA="+t.TempDir(),
		"LOG_LEVEL=INFO", "GOFLAGS=-buildvcs=false")

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

// untilDelivered waits for the event that the README publishes, and then stops both servers as
// the README says.
const untilDelivered = `
for _ in $(seq 300); do
  curl -s "http://localhost:8000/status/delivery/$DELIVERY_ID" | grep -q '"status": *"delivered"' && echo DELIVERED && break
  sleep 0.1
done
kill %1 %2
wait %1 && first=0 || first=$?
wait %2 && second=0 || second=$?
echo "STOPPED $first $second"
`

// readmeCommands returns the blocks of shell commands. The README must also say how to stop
// what they start.
func readmeCommands(t *testing.T) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "`kill %1 %2`") {
		t.Error("the README does not say that `kill %1 %2` stops what its commands start")
	}
	for _, found := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, found[1])
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
