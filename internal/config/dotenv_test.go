package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestDotEnv(t *testing.T) {
	for _, c := range []struct{ reason, text, want string }{
		{"plain", "A=1\nB=two\n", `A="1"@1 B="two"@2`},
		{"no newline at the end", "A=1", `A="1"@1`},
		{"Windows' line ends", "A=1\r\nB=2\r\n", `A="1"@1 B="2"@2`},
		{"a byte order mark", "\ufeffA=1\n", `A="1"@1`},
		{"nothing", "", ""},
		{"comments and empty lines", "# A=1\n\n  # B=2\nC=3\n", `C="3"@4`},
		{"export", "export A=1\nexport\tB=2\n", `A="1"@1 B="2"@2`},
		{"a name that begins with export", "exported=1\nexport=2\n", `export="2"@2 exported="1"@1`},
		{"empty values", "A=\nB=''\nC=\"\"\n", `A=""@1 B=""@2 C=""@3`},
		{"spaces around", "  A=1  \n\tB= 2\n", `A="1"@1 B="2"@2`},
		{"spaces inside", "A=one two\n", `A="one two"@1`},
		{"a comment after the value", "A=1 # one\nB=2\t#two\nC= # three\n", `A="1"@1 B="2"@2 C=""@3`},
		{"a # inside a value", "A=a#b\nB=#c\n", `A="a#b"@1 B="#c"@2`},
		{"an = in the value", "A=b=c==\n", `A="b=c=="@1`},
		{"single quotes", `A='a "b" # \n $c'`, `A="a \"b\" # \\n $c"@1`},
		{"double quotes", `A="a 'b' # \n\t\"\\\$"`, `A="a 'b' # \n\t\"\\$"@1`},
		{"a comment after quotes", "A='1' # one\nB=\"2\"\n", `A="1"@1 B="2"@2`},
		{"spaces inside quotes", "A=' 1 '\n", `A=" 1 "@1`},
		{"nothing is expanded", "A=$HOME${B}\n", `A="$HOME${B}"@1`},
		{"a backslash without quotes", `A=C:\x`, `A="C:\\x"@1`},

		{"no =", "A=1\nnonsense\n", `line 2 has no "=": write NAME=value, or # before a comment.`},
		{"no name", "=1\n", `line 1 has no valid name before "=": a name consists of letters, digits and _, does not begin with a digit, and is not followed by a space.`},
		{"a digit first", "1A=1\n", `line 1 has no valid name before "=": a name consists of letters, digits and _, does not begin with a digit, and is not followed by a space.`},
		{"a space before =", "A =1\n", `line 1 has no valid name before "=": a name consists of letters, digits and _, does not begin with a digit, and is not followed by a space.`},
		{"export without a name", "export =1\n", `line 1 has no valid name before "=": a name consists of letters, digits and _, does not begin with a digit, and is not followed by a space.`},
		{"YAML", "A: 1\n", `line 1 has no "=": write NAME=value, or # before a comment.`},
		{"an open single quote", "A='1\n", "line 1 has no closing quote: end the value with ' on the same line."},
		{"an open double quote", "A=\"1\n", `line 1 has no closing quote: end the value with " on the same line.`},
		{"an escaped closing quote", `A="1\"`, `line 1 has no closing quote: end the value with " on the same line.`},
		{"a backslash at the end", `A="1\`, `line 1 has no closing quote: end the value with " on the same line.`},
		{"an unknown escape", `A="\x41"`, `line 1 has a backslash in double quotes that does not begin an escape: write \\ for a backslash, or use single quotes.`},
		{"text after a quote", "A='1'2\n", "line 1 has text after the closing quote: remove it, or write a space and # before a comment."},
		{"a # directly after a quote", "A='1'#2\n", "line 1 has text after the closing quote: remove it, or write a space and # before a comment."},
		{"a quote inside", "A=1'2'\n", "line 1 has a quote inside its value: put the whole value in the other kind of quotes."},
		{"twice", "A=1\nB=2\nA=3\n", "line 3 sets A, which line 1 already sets: keep only one of them."},
		{"a NUL", "A=1\x002\n", "line 1 is not plain text: save the file as UTF-8 without control characters."},
		{"CR line ends", "A=1\rB=2\r", "line 1 is not plain text: save the file as UTF-8 without control characters."},
		{"not UTF-8", "A=\xff\n", "line 1 is not plain text: save the file as UTF-8 without control characters."},
		{"all faults", "x\nA=1\ny\n", `line 1 has no "=": write NAME=value, or # before a comment. line 3 has no "=": write NAME=value, or # before a comment.`},
	} {
		entries, faults := parseDotEnv(c.text)
		got := strings.Join(faults, " ")
		if len(faults) == 0 {
			got = show(entries)
		}
		if got != c.want {
			t.Errorf("%s: %q:\n got %s\nwant %s", c.reason, c.text, got, c.want)
		}
	}
}

func show(entries map[string]entry) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		parts = append(parts, fmt.Sprintf("%s=%q@%d", name, entries[name].text, entries[name].line))
	}
	return strings.Join(parts, " ")
}

func TestDotEnvFaultsNameTheFile(t *testing.T) {
	path := write(t, "my.env", "LOG_LEVEL=info\npw-hunter2\n")
	_, err := Load(nil, path, Overrides{})
	if want := path + `, line 2 has no "=": write NAME=value, or # before a comment.`; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	directory := t.TempDir()
	_, err = Load(nil, directory, Overrides{})
	if want := directory + " can't be read: is a directory. Fix it, remove it, or start in another directory."; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func FuzzDotEnv(f *testing.F) {
	for _, seed := range []string{"A=1\n", "export A='b c' # d\n", `A="\n\"\\" #`, "A =1", "\ufeffA=\r\n", "A='", "=\x00", "A=1\nA=2", "A=a#b #c"} {
		f.Add(seed)
	}
	escape := strings.NewReplacer("\\", `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "$", `\$`, "`", "\\`")
	f.Fuzz(func(t *testing.T, text string) {
		entries, faults := parseDotEnv(text)
		lines := strings.Count(text, "\n") + 1
		if len(entries)+len(faults) > lines {
			t.Fatalf("%d entries and %d faults in %d lines", len(entries), len(faults), lines)
		}
		var again strings.Builder
		for name, e := range entries {
			if !isName(name) || e.line < 1 || e.line > lines {
				t.Fatalf("the name %q on line %d", name, e.line)
			}
			fmt.Fprintf(&again, "export %s=\"%s\" # as it was\n", name, escape.Replace(e.text))
		}
		reread, faults := parseDotEnv(again.String())
		if len(faults) > 0 || len(reread) != len(entries) {
			t.Fatalf("%q was read, but %q was not: %q", text, again.String(), faults)
		}
		for name, e := range entries {
			if reread[name].text != e.text {
				t.Fatalf("%s is %q, but quoted it is %q", name, e.text, reread[name].text)
			}
		}
	})
}
