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

// mayImport says which packages of this module each of them may import, apart from
// the public package webhook, which is a leaf and open to all. A package that is
// not named here fails the test: it needs its place first.
var mayImport = map[string][]string{
	"cmd/hookferry":            {"internal/cli"},
	"webhook":                  {},
	"client":                   {},
	"internal/event":           {},
	"internal/ingest":          {"internal/event", "internal/faultpoint"},
	"internal/dispatch":        {"internal/event", "internal/faultpoint"},
	"internal/send":            {"internal/event", "internal/faultpoint"},
	"internal/api":             {"internal/event", "internal/faultpoint"},
	"internal/seal":            {},
	"internal/store":           {"internal/event", "internal/seal"},
	"internal/store/storetest": {"internal/test/childproc", "internal/event", "internal/store"},
	"internal/store/sqlite":    {"internal/event", "internal/faultpoint", "internal/store"},
	"internal/store/postgres":  {"internal/event", "internal/store"},
	"internal/test/pgtest":     {"internal/test/childproc"},
	"internal/redis":           {"internal/event"},
	"internal/retention":       {"internal/event"},
	"internal/telemetry":       {"internal/event"},
	"internal/config":          {"internal/event", "internal/seal"},
	"internal/test/simulation": {},
	"internal/test/chaos":      {},
	"internal/test/faults":     {},
	"internal/faultpoint":      {},
	"internal/test/await":      {},
	"internal/test/childproc":  {},
	"internal/hostile":         {},
	"internal/test/redistest":  {"internal/test/childproc"},
	"internal/test/release010": {"internal/event", "internal/store", "internal/test/pgtest"},
	"internal/bench":           {"client"},
	"internal/bench/table":     {"internal/bench", "internal/test/redistest", "internal/test/pgtest"},
	"internal/bench/compare":   {"internal/bench", "internal/test/pgtest"},
	"internal/cli":             {"internal/app", "internal/bench", "internal/config", "internal/hostile", "client"},
	"internal/app": {
		"internal/api", "internal/config", "internal/dispatch", "internal/event", "internal/ingest", "internal/redis", "internal/retention",
		"internal/seal", "internal/send", "internal/store", "internal/store/sqlite", "internal/store/postgres", "internal/telemetry",
	},
	"internal/test/simulation/seeded": {},
	"internal/test/release010/make":   {"internal/event", "internal/test/childproc", "internal/test/pgtest", "internal/test/release010"},
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
		ours, found := strings.CutPrefix(name, "github.com/hookferry/hookferry/")
		if found && ours != "webhook" && !slices.Contains(allowed, ours) {
			t.Errorf("%s imports %s: %s may import only %v", file, ours, path.Dir(file), allowed)
		}
	}
}

// mayCall are the packages that may open connections by the standard library's
// clients. What is called for a customer is called by send, behind its guard; the
// command line, the bench, the public client and what makes test data call the service itself.
var mayCall = []string{"internal/send", "internal/bench", "internal/cli", "internal/test/redistest", "internal/test/release010/make", "client"}

// TestNobodyCallsPastTheGuard looks for the names by which a connection could be made.
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
	root, seen := os.DirFS("../.."), 0
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (file == "tools" || strings.HasPrefix(d.Name(), ".") && file != "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || slices.Contains(mayCall, path.Dir(file)):
			return nil
		}
		seen++
		for _, use := range usesOf(t, file, names) {
			t.Errorf("%s uses %s: only %v may call others", file, use, mayCall)
		}
		return nil
	})
	if err != nil || seen < 50 {
		t.Errorf("%d files were read: %v", seen, err)
	}
	if len(usesOf(t, "internal/send/send.go", names)) == 0 {
		t.Error("the sender's own calls were not found, so nobody else's would be")
	}
}

// usesOf lists which of the names, by the path of their package, a file uses.
func usesOf(t *testing.T, file string, names map[string][]string) (uses []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	imported := map[string]string{} // by the name that the file has for it
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
