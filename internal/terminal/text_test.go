package terminal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for _, test := range []struct{ reason, in, want string }{
		{"plain text stays", "user.created Zoë 愛子 🎁", "user.created Zoë 愛子 🎁"},
		{"nothing", "", ""},
		{"it would colour the terminal or worse", "a\x1b[31mb", `a\x1b[31mb`},
		{"it would overwrite the line", "a\rb", `a\x0db`},
		{"it would forge a line", "a\nb", `a\nb`},
		{"it would ring the bell", "\a", `\x07`},
		{"delete", "a\x7f", `a\x7f`},
		{"an escape of one byte, in its UTF-8 form", "\u009b31m", `\u{9b}31m`},
		{"and raw", "\x9b31m", `\x9b31m`},
		{"it would turn the text around", "a\u202eb", `a\u{202e}b`},
		{"it would be invisible", "a\u200bb\ufeff", `a\u{200b}b\u{feff}`},
		{"another kind of line end", "a\u2028b", `a\u{2028}b`},
		{"not UTF-8", "a\xff\xfeb", `a\xff\xfeb`},
		{"an escape that is already there", "a\ufffdb", "a\ufffdb"},
	} {
		if got := Clean(test.in); got != test.want {
			t.Errorf("%s: got %q, want %q", test.reason, got, test.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b]0;title\a\xff\u202e\ufffd")
	f.Fuzz(func(t *testing.T, in string) {
		out := Clean(in)
		for _, r := range out {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q became %q, which contains %q", in, out, r)
			}
		}
		if !utf8.ValidString(out) {
			t.Fatalf("%q became %q, which is not UTF-8", in, out)
		}
	})
}

func FuzzJSONLine(f *testing.F) {
	f.Add("a\u009b\U000e0001\u202e", []byte(`{"a":"`+"\x7f"+`"}`))
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		if !json.Valid(raw) {
			raw = []byte("null")
		}
		var out bytes.Buffer
		if err := WriteJSONLine(&out, map[string]any{"text": text, "raw": json.RawMessage(raw)}); err != nil {
			t.Fatal(err)
		}
		l, found := strings.CutSuffix(out.String(), "\n")
		if !found || strings.ContainsFunc(l, isUnfit) {
			t.Fatalf("%q is not a clean line", l)
		}
		var back struct{ Text string }
		if err := json.Unmarshal([]byte(l), &back); err != nil {
			t.Fatalf("%q is not JSON: %v", l, err)
		}
		if want := strings.ToValidUTF8(text, ""); utf8.ValidString(text) && back.Text != want {
			t.Fatalf("%q came back as %q", want, back.Text)
		}
	})
}

// On a terminal, lines replace the previous ones, and are cut so that none wraps.
func TestScreenDraws(t *testing.T) {
	var out bytes.Buffer
	s := &Screen{w: &out, isTerminal: true, hasColour: true, size: func() (int, int) { return 11, 4 }}
	s.Draw([]Line{LineOf("scrolled away"), LineOf("too"), {Plain.Of("zero")}, {Green.Of("one"), Plain.Of(" two three")}, {Plain.Of("████████████")}})
	s.Draw([]Line{{Bold.Of("four")}})
	s.Leave()
	s.Draw([]Line{LineOf("five")})
	const want = "\r\x1b[Kzero\n\r\x1b[K\x1b[32mone\x1b[0m two th\n\r\x1b[K██████████\n\x1b[J" +
		"\x1b[3A\r\x1b[K\x1b[1mfour\x1b[0m\n\x1b[J" +
		"\r\x1b[Kfive\n\x1b[J"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}

// In a file, nothing is drawn or coloured.
func TestScreenOfAFile(t *testing.T) {
	var out bytes.Buffer
	s := NewScreen(&out)
	s.Draw([]Line{LineOf("picture")})
	s.Print(Line{Red.Of("text"), Plain.Of("  ")}, nil)
	if out.String() != "text\n\n" {
		t.Errorf("got %q", out.String())
	}
}
