package config

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the settings into docs/settings.md and .env.example")

// TestDocumentHasTheSettings compares the table in docs/settings.md with the declarations.
func TestDocumentHasTheSettings(t *testing.T) {
	const file, begin, end = "../../docs/settings.md", "<!-- settings: made by `make generate` -->\n", "<!-- end of settings -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	table, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s does not have the marks %q and %q", file, begin, end)
	}
	if table == Markdown() {
		return
	}
	if !*update {
		t.Fatalf("%s: the table of settings differs from the code: run `make generate`", file)
	}
	if err := os.WriteFile(file, []byte(before+begin+Markdown()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
