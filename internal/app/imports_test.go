package app_test

import (
	"go/ast"
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

// mayImport says which packages of this module each package may import, in addition to the public
// package webhook, which every package may import. A package that is missing here fails the test.
var mayImport = map[string][]string{
	"cmd/hookferry":            {"internal/cli"},
	"webhook":                  {},
	"client":                   {},
	"internal/event":           {},
	"internal/ingest":          {"internal/event", "internal/faultpoint", "internal/ingest/match", "internal/ingest/schema"},
	"internal/ingest/match":    {"internal/event"},
	"internal/ingest/schema":   {"internal/event"},
	"internal/dispatch":        {"internal/event", "internal/faultpoint"},
	"internal/send":            {"internal/event", "internal/faultpoint"},
	"internal/api":             {"internal/api/view", "internal/event", "internal/faultpoint"},
	"internal/api/view":        {"internal/event"},
	"internal/seal":            {},
	"internal/store":           {"internal/event", "internal/seal"},
	"internal/store/storetest": {"internal/test/childproc", "internal/event", "internal/store"},
	"internal/store/sqlite":    {"internal/event", "internal/faultpoint", "internal/store", "internal/store/sqlite/rawsqlite"},
	"internal/store/postgres":  {"internal/event", "internal/reason", "internal/store"},
	"internal/test/pgtest":     {"internal/test/childproc"},
	"internal/redis":           {"internal/event", "internal/reason"},
	"internal/retention":       {},
	"internal/telemetry":       {"internal/event"},
	"internal/config":          {"internal/event", "internal/seal"},
	"internal/test/simulation": {},
	"internal/test/chaos":      {},
	"internal/test/faults":     {},
	"internal/test/outside":    {},
	"internal/test/page":       {},
	"internal/test/receive":    {},
	"internal/test/powerloss":  {},
	"internal/test/gotest":     {},
	"internal/test/producer":   {"client"},
	"internal/faultpoint":      {},
	"internal/test/await":      {},
	"internal/test/childproc":  {},
	"internal/hostile":         {},
	"internal/test/redistest":  {"internal/test/childproc"},
	"internal/keys":            {"internal/config", "internal/event"},
	"internal/test/release010": {"internal/event", "internal/store", "internal/test/pgtest"},
	"internal/bench":           {"client"},
	"internal/bench/fill":      {"internal/event"},
	"internal/bench/table":     {"internal/bench", "internal/test/redistest", "internal/test/pgtest"},
	"internal/terminal":        {},
	"internal/receiver":        {"internal/terminal"},
	"internal/reason":          {},
	"internal/demo":            {"internal/receiver", "internal/terminal", "client"},
	"internal/cli": {
		"internal/api", "internal/app", "internal/bench", "internal/bench/fill", "internal/config", "internal/demo", "internal/event",
		"internal/hostile", "internal/keys", "internal/reason", "internal/receiver", "internal/terminal", "client",
	},
	"internal/bench/compare": {"internal/bench", "internal/test/pgtest"},
	"internal/app": {
		"internal/api", "internal/config", "internal/dispatch", "internal/event", "internal/ingest", "internal/redis", "internal/retention",
		"internal/send", "internal/store", "internal/store/sqlite", "internal/store/postgres", "internal/telemetry",
	},
	"internal/store/sqlite/rawsqlite": {},
	"internal/test/simulation/seeded": {},
	"internal/test/release010/make":   {"internal/event", "internal/test/childproc", "internal/test/pgtest", "internal/test/release010"},
}

// fenced are external packages that only the named package of this module may import.
var fenced = map[string]string{
	"unsafe":                     "internal/store/sqlite/rawsqlite",
	"modernc.org/libc":           "internal/store/sqlite/rawsqlite",
	"modernc.org/libc/sys/types": "internal/store/sqlite/rawsqlite",
	"modernc.org/sqlite/lib":     "internal/store/sqlite/rawsqlite",
}

// TestImportsFollowTheTable reads the imports of all files except tests.
func TestImportsFollowTheTable(t *testing.T) {
	behindFence := map[string]bool{}
	for _, file := range shippedFiles(t) {
		checkImports(t, file)
		for _, name := range importsOf(t, file) {
			behindFence[name] = true
		}
	}
	for name := range fenced {
		if !behindFence[name] {
			t.Errorf("no file imports %s: is its entry in fenced still needed?", name)
		}
	}
}

// goFiles returns the paths of this module's Go files, including tests.
func goFiles(t *testing.T) (files []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("../.."), ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (file == "tools" || strings.HasPrefix(d.Name(), ".") && file != "."):
			return fs.SkipDir
		case strings.HasSuffix(file, ".go"):
			files = append(files, file)
		}
		return nil
	})
	if err != nil || len(files) < 400 {
		t.Fatalf("%d files were found: is this the right tree? %v", len(files), err)
	}
	return files
}

// shippedFiles returns the files that are not tests.
func shippedFiles(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(goFiles(t), func(file string) bool { return strings.HasSuffix(file, "_test.go") })
}

// parse parses one of the files.
func parse(t *testing.T, file string, mode parser.Mode) (*token.FileSet, *ast.File) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, filepath.Join("..", "..", file), nil, mode)
	if err != nil {
		t.Fatal(err)
	}
	return set, parsed
}

// ownImports returns the packages of this module that a file imports.
func ownImports(t *testing.T, file string) (own []string) {
	t.Helper()
	for _, name := range importsOf(t, file) {
		if ours, found := strings.CutPrefix(name, "github.com/hookferry/hookferry/"); found {
			own = append(own, ours)
		}
	}
	return own
}

func importsOf(t *testing.T, file string) (names []string) {
	t.Helper()
	_, parsed := parse(t, file, parser.ImportsOnly)
	for _, i := range parsed.Imports {
		name, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func checkImports(t *testing.T, file string) {
	t.Helper()
	allowed, known := mayImport[path.Dir(file)]
	if !known {
		t.Errorf("%s: package %s is unknown: add it to mayImport and to ARCHITECTURE.md", file, path.Dir(file))
	}
	for _, ours := range ownImports(t, file) {
		if ours != "webhook" && !slices.Contains(allowed, ours) {
			t.Errorf("%s imports %s: %s may import only %v", file, ours, path.Dir(file), allowed)
		}
	}
	for _, name := range importsOf(t, file) {
		if only, isFenced := fenced[name]; isFenced && path.Dir(file) != only {
			t.Errorf("%s imports %s: only %s may import it", file, name, only)
		}
	}
}

// mayCall are the packages that may open connections with the standard library's clients. Package
// send makes all calls for customers, behind its guard. The command line, the bench, the public
// client and the maker of test data call only the service.
var mayCall = []string{"internal/send", "internal/bench", "internal/cli", "internal/test/redistest", "internal/test/release010/make", "client"}

// TestNobodyCallsPastTheGuard looks for names that could open a connection.
func TestNobodyCallsPastTheGuard(t *testing.T) {
	names := map[string][]string{
		"net": {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer"},
		"net/http": {
			"Client", "DefaultClient", "Get", "Head", "Post", "PostForm", "Transport", "DefaultTransport",
			"ProxyFromEnvironment", "NewRequest", "NewRequestWithContext",
		},
		"crypto/tls":        {"Dial", "DialWithDialer", "Dialer", "Client"},
		"net/http/httputil": {"ReverseProxy", "NewSingleHostReverseProxy"},
		"net/smtp":          {"Dial", "SendMail"},
	}
	for _, file := range shippedFiles(t) {
		if slices.Contains(mayCall, path.Dir(file)) {
			continue
		}
		for _, use := range usesOf(t, file, names) {
			t.Errorf("%s uses %s: only %v may open connections", file, use, mayCall)
		}
	}
	if len(usesOf(t, "internal/send/send.go", names)) == 0 {
		t.Error("the calls of package send were not found, so others would not be found either")
	}
}

// usesOf returns which of the names a file uses, by the path of their package.
func usesOf(t *testing.T, file string, names map[string][]string) (uses []string) {
	t.Helper()
	_, parsed := parse(t, file, parser.SkipObjectResolution)
	imported := map[string]string{} // by their name in the file
	for _, i := range parsed.Imports {
		full := strings.Trim(i.Path.Value, `"`)
		local := path.Base(full)
		if i.Name != nil {
			local = i.Name.Name
		}
		imported[local] = full
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && slices.Contains(names[imported[x.Name]], s.Sel.Name) {
				uses = append(uses, x.Name+"."+s.Sel.Name)
			}
		}
		return true
	})
	return uses
}
