package event

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
		why  string
	}{
		{"", 4, "", "nothing"},
		{"name", 4, "name", "exactly the limit"},
		{"names", 4, "name…", "one byte more"},
		{"naïve", 3, "na…", "only one of the two bytes of ï would fit"},
		{"naïve", 4, "naï…", "both bytes of ï fit"},
		{"日本", 3, "日…", "between two characters"},
		{"日本", 5, "日…", "before the last byte of a character"},
		{"🎁🎁", 3, "…", "not one character fits"},
		{"a\xffb\xffc", 4, "ab…", "invalid UTF-8 is removed"},
		{"a\xff", 4, "a\xff", "a short text keeps its invalid UTF-8"},
		{"name", 0, "…", "a limit of zero"},
	} {
		if got := Clip(c.text, c.most); got != c.want {
			t.Errorf("%q to %d (%s): %q, want %q", c.text, c.most, c.why, got, c.want)
		}
	}
}

func FuzzClip(f *testing.F) {
	f.Add("naïve 日本 🎁", uint8(8))
	f.Fuzz(func(t *testing.T, text string, most uint8) {
		got := Clip(text, int(most))
		if len(text) <= int(most) {
			if got != text {
				t.Errorf("%q is short enough, but becomes %q", text, got)
			}
			return
		}
		kept, short := strings.CutSuffix(got, "…")
		if !short || len(kept) > int(most) || !utf8.ValidString(got) {
			t.Errorf("%q to %d becomes %q", text, most, got)
		}
		if utf8.ValidString(text) && (!strings.HasPrefix(text, kept) || len(kept) < int(most)-3) {
			t.Errorf("%q to %d becomes %q, which is shorter than necessary", text, most, got)
		}
	})
}
