package chaos

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/hookferry/hookferry/internal/test/pgtest"
)

// postgresServer is for tests that do not break it.
var postgresServer *pgtest.Server

// program is the path of the service.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if os.Getenv(roundsName) == "" {
		// With a small load, the tests spend most of their time waiting for leases to run out.
		if err := flag.Set("test.parallel", "8"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "hookferry-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "hookferry")
	cmd := exec.Command("go", "build", "-o", program, "../../../cmd/hookferry")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, text)
		return 1
	}
	return pgtest.Run(m, func(s *pgtest.Server) error {
		postgresServer = s
		return nil
	})
}

// roundsName is the variable for a long run.
const roundsName = "HOOKFERRY_TEST_CHAOS"

// rounds returns how often to cause all faults, and whether this is a long run.
func rounds(t *testing.T) (n int, long bool) {
	t.Helper()
	text := os.Getenv(roundsName)
	if text == "" {
		return 1, false
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q: it must be the number of rounds, at least 1", roundsName, text)
	}
	return n, true
}
