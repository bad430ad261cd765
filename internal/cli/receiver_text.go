package cli

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// firstRunes is the beginning of s, at most n characters of it.
func firstRunes(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// clean makes a stranger's text fit for a terminal: what is neither visible nor a
// blank is written as an escape, line ends too. So it can't move the cursor, set
// the title, reverse the order of the text or hide anything.
func clean(s string) string {
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

// cleanLines is clean for text of several lines, which stay lines. A tab becomes
// four blanks.
func cleanLines(s string) []string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = clean(strings.ReplaceAll(strings.TrimSuffix(l, "\r"), "\t", "    "))
	}
	return lines
}

// shorten cuts text to at most n characters and says that it did.
func shorten(s string, n int) string {
	if short := firstRunes(s, n); len(short) < len(s) {
		return short + "…"
	}
	return s
}

// number is a count with its noun: "1 webhook", "3 webhooks".
func number(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// milliseconds writes a duration as people compare them: 0.8 ms, 12 ms, 1.2 s.
func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}
