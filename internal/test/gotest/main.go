// Command gotest runs `go test` and prints what a person wants to read: the command, a line for
// each package, and the whole output of the tests that failed. At the end it prints how many
// packages and tests ran, how many failed, and how long it took. `make test` and `make test-all`
// use it.
//
//	go run ./internal/test/gotest go test -short ./...
//
// It adds nothing to what `go test` decides: the exit status is that of `go test`.
//
// Start with run.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

func main() {
	status, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
	}
	os.Exit(status)
}

// run runs a command such as `go test ./...` and returns its exit status.
func run(command []string, out io.Writer) (status int, err error) {
	if len(command) < 2 || command[1] != "test" {
		return 2, fmt.Errorf("usage: gotest go test [arguments], not %q", command)
	}
	fmt.Fprintln(out, strings.Join(command, " "))
	start := time.Now()
	cmd := exec.Command(command[0], slices.Insert(slices.Clone(command[1:]), 1, "-json")...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	r := newReport(out)
	err = errors.Join(r.read(events), ignoreExit(cmd.Wait()))
	r.end(time.Since(start))
	if err != nil {
		return 1, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// ignoreExit drops the error that says only that the tests failed.
func ignoreExit(err error) error {
	if _, failed := errors.AsType[*exec.ExitError](err); failed {
		return nil
	}
	return err
}
