package chaos

import (
	"bufio"
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/childproc"
)

// node is one process of the service.
type node struct {
	name    string // for the log
	url     string
	admin   string
	role    string
	process *childproc.Process
	journal *journal
	ended   bool // the test has ended it

	returned int // see countReturned
}

// startNode starts a node and waits until it is ready.
func startNode(name, role, dir string, settings []string) (*node, error) {
	n := &node{name: name, role: role, journal: newJournal()}
	var err error
	n.process, err = childproc.Start(childproc.Command{
		Path: program, Args: []string{"serve", "--role", role, "--dev", "--addr", "127.0.0.1:0"},
		Dir: dir, // with no other .env file
		Env: append([]string{"HOOKFERRY_ADMIN_ADDR=127.0.0.1:0", "LOG_LEVEL=INFO"}, settings...), Output: childproc.Lines(n.journal.note),
	})
	if err != nil {
		return nil, err
	}
	select {
	case l := <-n.journal.ready:
		n.url, n.admin = cmp.Or(l.API, l.Probes), l.Admin
		return n, nil
	case <-n.process.Ended():
		return nil, fmt.Errorf("%s did not start:\n%s", name, n.process.Output())
	case <-time.After(await.Patience):
		n.process.Kill()
		return nil, fmt.Errorf("%s was not ready after %v:\n%s", name, await.Patience, n.process.Output())
	}
}

// kill ends the node as in a crash.
func (n *node) kill() {
	n.ended = true
	n.process.Kill()
}

// drain stops the node like an operator, and waits until it has ended.
func (n *node) drain(t *testing.T) {
	t.Helper()
	n.ended = true
	n.process.Signal(syscall.SIGTERM)
	select {
	case <-n.process.Ended():
	case <-time.After(await.Patience):
		t.Errorf("%s had not stopped %v after SIGTERM", n.name, await.Patience)
		n.process.Kill()
	}
	if err := n.process.Wait(); err != nil {
		t.Errorf("after SIGTERM %s ended with %v:\n%s", n.name, err, n.process.Output())
	}
}

// runs reports whether the process is still running.
func (n *node) runs() bool {
	select {
	case <-n.process.Ended():
		return false
	default:
		return true
	}
}

// countReturned reads how many deliveries the node returned to the database because Redis refused
// them or did not respond, or no worker took them.
func (n *node) countReturned() error {
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Get(n.admin + "/metrics")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), "hookferry_redis_returned_total "); found {
			number, err := strconv.ParseFloat(value, 64)
			n.returned = int(number)
			return err
		}
	}
	return lines.Err()
}
