package app_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport says which packages of this module each of them may import, apart from
// the public package webhook, which is a leaf and open to all. A package that is
// not named here fails the test: it needs its place first.
var mayImport = map[string][]string{
	"cmd/hookferry":            {"internal/cli"},
	"webhook":                  {},
	"client":                   {},
	"internal/event":           {},
	"internal/ingest":          {"internal/event"},
	"internal/dispatch":        {"internal/event"},
	"internal/send":            {"internal/event"},
	"internal/api":             {"internal/event"},
	"internal/store":           {"internal/event"},
	"internal/store/storetest": {"internal/childproc", "internal/event", "internal/store"},
	"internal/store/sqlite":    {"internal/event", "internal/store"},
	"internal/store/postgres":  {"internal/event", "internal/store"},
	"internal/store/pgtest":    {"internal/childproc"},
	"internal/redis":           {"internal/event"},
	"internal/retention":       {"internal/event"},
	"internal/telemetry":       {"internal/event"},
	"internal/config":          {"internal/event"},
	"internal/simulation":      {},
	"internal/chaos":           {},
	"internal/await":           {},
	"internal/childproc":       {},
	"internal/hostile":         {},
	"internal/redistest":       {"internal/childproc"},
	"internal/cli":             {"internal/app", "internal/config", "internal/hostile", "client"},
	"internal/app": {
		"internal/api", "internal/config", "internal/dispatch", "internal/event", "internal/ingest", "internal/redis", "internal/retention",
		"internal/send", "internal/store", "internal/store/sqlite", "internal/store/postgres", "internal/telemetry",
	},
}

// TestImportsFollowTheHouse reads the imports of all files but tests.
func TestImportsFollowTheHouse(t *testing.T) {
	root := os.DirFS("../..")
	seen := 0
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (file == "tools" || strings.HasPrefix(d.Name(), ".") && file != ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		seen++
		checkImports(t, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Errorf("only %d files were read: is this the right tree?", seen)
	}
}

func checkImports(t *testing.T, file string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", file), nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	allowed, known := mayImport[path.Dir(file)]
	if !known {
		t.Errorf("%s: package %s has no place in the house yet: add it to mayImport and to ARCHITECTURE.md", file, path.Dir(file))
	}
	for _, i := range parsed.Imports {
		name, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Error(err)
		}
		ours, found := strings.CutPrefix(name, "hookferry/")
		if found && ours != "webhook" && !slices.Contains(allowed, ours) {
			t.Errorf("%s imports %s: %s may import only %v", file, ours, path.Dir(file), allowed)
		}
	}
}
