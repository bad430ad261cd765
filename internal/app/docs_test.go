package app_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// proving are the documents that name code and tests as evidence.
var proving = []string{"SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/reliability.md", "docs/operate.md"}

// The tests that the documents name as evidence exist.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	root := filepath.Join("..", "..")
	var code strings.Builder
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		code.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	for _, document := range proving {
		text, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range name.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(code.String(), "\nfunc "+found[1]+"(") {
				t.Errorf("%s names %s, which is not a test", document, found[1])
			}
		}
	}
}

// The files of code that the documents name, by their paths below internal, exist.
func TestDocumentsNameFilesThatExist(t *testing.T) {
	root := filepath.Join("..", "..")
	name := regexp.MustCompile("`((?:[a-z0-9]+/)+[a-z0-9_]+\\.go)`")
	n := 0
	for _, document := range proving {
		text, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range name.FindAllStringSubmatch(string(text), -1) {
			n++
			_, inside := os.Stat(filepath.Join(root, "internal", found[1]))
			_, atRoot := os.Stat(filepath.Join(root, found[1]))
			if inside != nil && atRoot != nil {
				t.Errorf("%s names %s, which is not a file", document, found[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("the documents name only %d files: is the expression still right?", n)
	}
}

// docs/api.md explains every code by which programs tell errors and failed attempts apart.
func TestTheAPIGuideExplainsEveryCode(t *testing.T) {
	root := filepath.Join("..", "..")
	guide, err := os.ReadFile(filepath.Join(root, "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	for pattern, of := range map[string]*regexp.Regexp{
		"internal/api/*.go":         regexp.MustCompile(`newProblem\([\w.]+, "(\w+)"|code\w+ += "(\w+)"`),
		"internal/app/*.go":         regexp.MustCompile(`urn:hookferry:problem:(\w+)"`),
		"internal/event/outcome.go": regexp.MustCompile(`Code += "(\w+)"`),
	} {
		n := 0
		for _, code := range codesIn(t, filepath.Join(root, pattern), of) {
			if n++; !strings.Contains(string(guide), "`"+code+"`") {
				t.Errorf("docs/api.md does not explain the code %s of %s", code, pattern)
			}
		}
		if n == 0 {
			t.Errorf("no code was found in %s: is it still the right file?", pattern)
		}
	}
}

// docs/operate.md quotes log messages exactly, because people search for what they see.
func TestTheOperatorsGuideQuotesTheLog(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "operate.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(guide), "\n### Messages in the log\n")
	table, _, ended := strings.Cut(table, "\n## ")
	messages := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1)
	if !found || !ended || len(messages) < 10 {
		t.Fatalf("docs/operate.md has no table of log messages, or it has only %d", len(messages))
	}
	var code strings.Builder
	for _, file := range shippedFiles(t) {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	for _, message := range messages {
		if !strings.Contains(code.String(), message[1]) {
			t.Errorf("docs/operate.md quotes %q, which the code does not log", message[1])
		}
	}
}

// codesIn returns what the groups of the expression match in the files that are not tests.
func codesIn(t *testing.T, pattern string, of *regexp.Regexp) (codes []string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range of.FindAllStringSubmatch(string(text), -1) {
			codes = append(codes, strings.Join(found[1:], ""))
		}
	}
	return codes
}
