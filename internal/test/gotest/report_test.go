package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// modules are small modules, each with what a person must and must not read of its tests.
var modules = []struct {
	why    string
	files  map[string]string // by the path; each is in package x or x_test
	status int
	has    []string // regular expressions, in this order
	lacks  []string
}{
	{
		why: "everything passes: one line, and the counts; subtests do not count",
		files: map[string]string{
			"x_test.go": "func TestA(t *testing.T) { t.Log(`quiet`); t.Run(`sub`, func(*testing.T) {}) }\nfunc TestB(*testing.T) {}",
		},
		has:   []string{`^go test \./\.\.\.\n`, `ok  \tx\t[^\n]*s\n`, `1 packages, 2 tests, 0 failed, \d+ seconds\n$`},
		lacks: []string{"quiet", "=== RUN", "PASS"},
	},
	{
		why: "a test fails: its whole output and that of the failed subtest, and nothing of the others",
		files: map[string]string{
			"x_test.go": "func TestGood(t *testing.T) { t.Log(`quiet`) }\nfunc TestBad(t *testing.T) { t.Log(`before`)\nt.Run(`one`, func(t *testing.T) { t.Log(`calm`) })\nt.Run(`two`, func(t *testing.T) { t.Error(\"loud\\nsecond line\") }) }",
		},
		status: 1,
		has:    []string{`before\n`, `loud\n\s+second line\n`, `--- FAIL: TestBad/two`, `\nFAIL\tx\t`, `\nfailed: x TestBad\n1 packages, 2 tests, 1 failed`},
		lacks:  []string{"quiet", "calm", "=== RUN"},
	},
	{
		why: "a panic ends the tests: the stack is shown, and the package counts as failed",
		files: map[string]string{
			"x_test.go": "func TestGone(*testing.T) { panic(`out of cheese`) }",
		},
		status: 1,
		has:    []string{`panic: out of cheese`, `goroutine \d+`, `x_test.go:\d+`, `\nfailed: x.*\n1 packages, \d tests, 1 failed`},
	},
	{
		why: "the tests end the process without output",
		files: map[string]string{
			"x_test.go": "func TestExit(*testing.T) { os.Exit(3) }\nvar _ = os.Exit",
		},
		status: 1,
		has:    []string{`\nfailed: x.*\n1 packages, \d tests, 1 failed`},
	},
	{
		why: "a package does not compile: the compiler's words, and the other package runs",
		files: map[string]string{
			"x_test.go":   "func TestBroken(*testing.T) { undefinedName() }",
			"y/y_test.go": "func TestY(*testing.T) {}",
		},
		status: 1,
		has:    []string{`undefined: undefinedName`, `ok  \tx/y\t`, `\nfailed: x\n2 packages, 1 tests, 1 failed`},
	},
	{
		why:   "a package without tests is not counted",
		files: map[string]string{"x.go": "", "y/y_test.go": "func TestY(*testing.T) {}"},
		has:   []string{`\n1 packages, 1 tests, 0 failed`},
		lacks: []string{"no test files"},
	},
	{
		why:    "no package: the message of go, and a status other than 0",
		files:  map[string]string{},
		status: 1,
		has:    []string{`0 packages, 0 tests, 0 failed`},
	},
}

func TestModules(t *testing.T) {
	for _, m := range modules {
		t.Chdir(module(t, m.files))
		var out bytes.Buffer
		status, err := run([]string{"go", "test", "./..."}, &out)
		if err != nil || status != m.status {
			t.Errorf("%s: status %d, %v; want %d", m.why, status, err, m.status)
		}
		if !regexp.MustCompile(`(?s)` + strings.Join(m.has, `.*`)).MatchString(out.String()) {
			t.Errorf("%s: %q is not in the output:\n%s", m.why, m.has, &out)
		}
		for _, word := range m.lacks {
			if strings.Contains(out.String(), word) {
				t.Errorf("%s: %q is in the output:\n%s", m.why, word, &out)
			}
		}
	}
}

// module writes a module named x and returns its directory.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module x\n\ngo 1.26\n")
	for name, code := range files {
		head := "package x\n\n"
		if strings.HasSuffix(name, "_test.go") {
			head += "import \"testing\"\n\n"
		}
		if strings.Contains(code, "os.Exit") {
			head += "import \"os\"\n\n"
		}
		write(t, filepath.Join(dir, name), head+code+"\n")
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLinesThatAreNoEventsAreShown(t *testing.T) {
	var out bytes.Buffer
	r := newReport(&out)
	if err := r.read(strings.NewReader("go: downloading\n{\"Action\":\"start\",\"Package\":\"x\"}\n{}\nno line feed")); err != nil {
		t.Fatal(err)
	}
	r.end(1499 * time.Millisecond)
	if want := "go: downloading\n{}\nno line feed0 packages, 0 tests, 0 failed, 1 seconds\n"; out.String() != want {
		t.Errorf("%q, want %q", &out, want)
	}
}

func TestWhatIsNoGoTestIsRefused(t *testing.T) {
	for _, command := range [][]string{nil, {"go"}, {"go", "build", "./..."}, {"/no/such/go", "test"}} {
		if status, err := run(command, &bytes.Buffer{}); err == nil || status == 0 {
			t.Errorf("%q: status %d, %v", command, status, err)
		}
	}
}
