package app_test

import (
	"go/ast"
	"go/parser"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// The table in ARCHITECTURE.md says exactly what mayImport says.
func TestARCHITECTURESaysWhoMayImportWhom(t *testing.T) {
	written := writtenTable(t)
	for _, name := range slices.Sorted(maps.Keys(mayImport)) {
		says, found := written[name]
		if !found {
			t.Errorf("ARCHITECTURE.md's table lacks %s, which may import %v", name, mayImport[name])
			continue
		}
		if may := slices.Sorted(slices.Values(mayImport[name])); !slices.Equal(says, may) {
			t.Errorf("%s may import %v; ARCHITECTURE.md says %v", name, may, says)
		}
	}
	for name := range written {
		if _, found := mayImport[name]; !found {
			t.Errorf("ARCHITECTURE.md's table has %s, which mayImport does not have", name)
		}
	}
}

// writtenTable reads the block below "Who may import whom". Each line has packages, an arrow, and
// the packages that they may import. A line that begins with a space continues the previous one.
func writtenTable(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\nWho may import whom")
	_, after, opened := strings.Cut(after, "\n```\n")
	block, _, closed := strings.Cut(after, "\n```\n")
	if !found || !opened || !closed {
		t.Fatal(`ARCHITECTURE.md has no block of code below "Who may import whom"`)
	}
	table := map[string][]string{}
	for line := range strings.SplitSeq(strings.ReplaceAll(block, "\n ", " "), "\n") {
		from, to, found := strings.Cut(line, "→")
		if !found {
			t.Fatalf("ARCHITECTURE.md's table has a line without an arrow: %q", line)
		}
		imports := []string{}
		if strings.TrimSpace(to) != "nothing of ours" {
			imports = namesIn(to)
		}
		for _, name := range namesIn(from) {
			if _, twice := table[name]; twice {
				t.Errorf("ARCHITECTURE.md's table has %s twice", name)
			}
			table[name] = imports
		}
	}
	return table
}

// namesIn returns the paths of the packages in a part of the table, sorted.
func namesIn(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		switch name = strings.TrimSpace(name); name {
		case "cmd":
			name = "cmd/hookferry"
		case "client", "webhook":
		default:
			name = "internal/" + name
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// importGraph returns which packages of this module each package imports, without tests.
func importGraph(t *testing.T) map[string][]string {
	t.Helper()
	graph := map[string][]string{}
	for _, file := range shippedFiles(t) {
		from := path.Dir(file)
		graph[from] = append(graph[from], ownImports(t, file)...)
	}
	return graph
}

// Every permitted import exists: an unused permission must be removed.
func TestNoPermissionIsUnused(t *testing.T) {
	graph := importGraph(t)
	for name, allowed := range mayImport {
		if _, found := graph[name]; !found {
			t.Errorf("mayImport has %s, which is not a package", name)
		}
		for _, one := range allowed {
			if !slices.Contains(graph[name], one) {
				t.Errorf("%s may import %s, but does not", name, one)
			}
		}
	}
}

// A reader who follows the program from its start passes through few packages.
func TestNoChainOfImportsIsLong(t *testing.T) {
	const most = 5
	chain := longestChain(importGraph(t), "cmd/hookferry")
	if steps := len(chain) - 1; steps > most || steps < 3 {
		t.Errorf("the longest chain of imports has %d steps, want 3 to %d: %s", steps, most, strings.Join(chain, " → "))
	}
}

func longestChain(graph map[string][]string, from string) []string {
	var longest []string
	for _, next := range graph[from] {
		if chain := longestChain(graph, next); len(chain) > len(longest) {
			longest = chain
		}
	}
	return append([]string{from}, longest...)
}

func TestNoFunctionIsLong(t *testing.T) {
	const most = 100
	longest := 0
	for _, file := range shippedFiles(t) {
		set, parsed := parse(t, file, parser.SkipObjectResolution)
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1
			longest = max(longest, lines)
			if lines > most {
				t.Errorf("%s: %s has %d lines, want at most %d: split it into named parts", file, f.Name, lines, most)
			}
		}
	}
	if longest < 20 {
		t.Errorf("the longest function has %d lines: were all files read?", longest)
	}
}

// maySkip lists the tests that may be skipped, by file, with the reason. There are none: a skipped
// test proves nothing.
var maySkip = map[string]string{}

func TestNothingIsSkipped(t *testing.T) {
	for _, file := range goFiles(t) {
		_, parsed := parse(t, file, parser.SkipObjectResolution)
		ast.Inspect(parsed, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, s.Sel.Name) && maySkip[file] == "" {
				t.Errorf("%s skips a test: let it fail, and say what is missing", file)
			}
			return true
		})
	}
}
