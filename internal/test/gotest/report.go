package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// event is one line of `go test -json`, as `go doc test2json` describes it.
type event struct {
	Action, Package, Test, Output string
}

// report writes what the events say, a package at a time.
type report struct {
	out      io.Writer
	running  map[string]*packageRun
	packages int      // that have ended and have tests
	tests    int      // that have ended, without subtests
	failed   []string // tests, and packages that failed without a failed test
}

// packageRun is a package whose tests are running.
type packageRun struct {
	output []event
	passed map[string]bool // tests and subtests
	failed int             // tests, without subtests
}

func newReport(out io.Writer) *report {
	return &report{out: out, running: map[string]*packageRun{}}
}

// read reads events until their end. Lines that are no events are printed as they are.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case len(line) == 0:
		case json.Unmarshal(line, &e) != nil || e.Action == "":
			fmt.Fprintf(r.out, "%s", line)
		default:
			r.add(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	if e.Action == "build-output" {
		fmt.Fprint(r.out, e.Output)
	}
	if e.Package == "" {
		return
	}
	p := r.running[e.Package]
	if p == nil {
		p = &packageRun{passed: map[string]bool{}}
		r.running[e.Package] = p
	}
	ended := e.Action == "pass" || e.Action == "fail" || e.Action == "skip"
	switch {
	case e.Action == "output":
		p.output = append(p.output, e)
	case ended && e.Test == "":
		r.endPackage(e, p)
	case ended:
		r.endTest(e, p)
	}
}

func (r *report) endTest(e event, p *packageRun) {
	p.passed[e.Test] = e.Action != "fail"
	if strings.Contains(e.Test, "/") {
		return
	}
	r.tests++
	if e.Action == "fail" {
		p.failed++
		r.failed = append(r.failed, e.Package+" "+e.Test)
	}
}

func (r *report) endPackage(e event, p *packageRun) {
	delete(r.running, e.Package)
	if e.Action == "skip" { // it has no tests
		return
	}
	r.packages++
	if e.Action == "fail" && p.failed == 0 {
		r.failed = append(r.failed, e.Package)
	}
	for _, line := range p.output {
		if e.Action == "fail" && !p.passed[line.Test] && !isProgress(line.Output) || isVerdict(line) {
			fmt.Fprint(r.out, line.Output)
		}
	}
}

// isProgress reports whether a line only says that a test starts, waits or goes on.
func isProgress(line string) bool { return strings.HasPrefix(line, "=== ") }

// isVerdict reports whether a line is the one that `go test` prints for a package that passed.
func isVerdict(e event) bool { return e.Test == "" && strings.HasPrefix(e.Output, "ok  \t") }

// end lists what failed and counts.
func (r *report) end(took time.Duration) {
	for _, name := range r.failed {
		fmt.Fprintln(r.out, "failed:", name)
	}
	fmt.Fprintf(r.out, "%d packages, %d tests, %d failed, %.0f seconds\n", r.packages, r.tests, len(r.failed), took.Seconds())
}
