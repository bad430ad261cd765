package event

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pasted texts, such as URLs and secrets, often contain characters that are not visible. Each
// kind has its own message, because the remedies differ.

// pasteDamage returns what is wrong with a pasted text, or "". It looks for invisible
// characters, a space at either end, and quotes around the text. The message quotes no part of the
// text, which may be a secret.
func pasteDamage(text string) string {
	if !utf8.ValidString(text) {
		return "contains bytes that are not UTF-8"
	}
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	if what := invisible(first); what != "" {
		return "begins with " + what + "; remove it"
	}
	if what := invisible(last); what != "" {
		return "ends with " + what + "; remove it"
	}
	if len(text) > 1 && isQuote(first) && isQuote(last) {
		return "is in quotes; remove them"
	}
	for _, c := range text {
		if what := invisible(c); what != "" && c != ' ' {
			return "contains " + what + "; remove it"
		}
	}
	return ""
}

// invisible describes a character that is not visible. It returns "" for any other.
func invisible(c rune) string {
	switch {
	case c == '\n' || c == '\r' || c == 0x85 || unicode.In(c, unicode.Zl, unicode.Zp):
		return "a line break"
	case c == '\t':
		return "a tab"
	case c == ' ':
		return "a space"
	case c == 0xfeff:
		return "a byte order mark (U+FEFF)"
	case unicode.Is(unicode.Zs, c):
		return fmt.Sprintf("the unusual space U+%04X", c)
	case unicode.Is(unicode.Cf, c):
		return fmt.Sprintf("the invisible character U+%04X", c)
	case unicode.IsControl(c):
		return fmt.Sprintf("the control character U+%04X", c)
	}
	return ""
}

func isQuote(c rune) bool {
	return strings.ContainsRune("\"'`“”„‟‘’‚‛«»‹›＂＇", c)
}
