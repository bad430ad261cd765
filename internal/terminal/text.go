package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// FirstRunes is the beginning of s, at most n characters of it.
func FirstRunes(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// Clean makes a stranger's text fit for a terminal: what is neither visible nor a
// blank is written as an escape, line ends too. So it can't move the cursor, set
// the title, reverse the order of the text or hide anything.
func Clean(s string) string {
	if !strings.ContainsFunc(s, isUnfit) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !isUnfit(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

func isUnfit(r rune) bool { return !unicode.IsPrint(r) }

// CleanLines is Clean for text of several lines, which stay lines. A tab becomes
// four blanks.
func CleanLines(s string) []string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = Clean(strings.ReplaceAll(strings.TrimSuffix(l, "\r"), "\t", "    "))
	}
	return lines
}

// Shorten cuts text to at most n characters and says that it did.
func Shorten(s string, n int) string {
	if short := FirstRunes(s, n); len(short) < len(s) {
		return short + "…"
	}
	return s
}

// Number is a count with its noun: "1 webhook", "3 webhooks".
func Number(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// Milliseconds writes a duration as people compare them: 0.8 ms, 12 ms, 1.2 s.
func Milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// WriteJSONLine writes v as JSON in one line. Whatever is not visible is escaped,
// as Clean does it for other text.
func WriteJSONLine(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		switch {
		case !isUnfit(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(w, out.String()+"\n")
	return err
}
