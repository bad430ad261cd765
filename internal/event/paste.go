package event

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Texts that are pasted, such as URLs and secrets, bring along what nobody sees. Each
// kind of such damage has a sentence of its own, because the remedies differ.

// pasteDamage says what is wrong with a text that was pasted, or nothing: something
// unseen in it, a blank at one of its ends, or quotes around it. It repeats nothing of
// the text.
func pasteDamage(text string) string {
	if !utf8.ValidString(text) {
		return "holds bytes that are not UTF-8"
	}
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	if what := unseen(first); what != "" {
		return "begins with " + what + "; remove it"
	}
	if what := unseen(last); what != "" {
		return "ends with " + what + "; remove it"
	}
	if len(text) > 1 && isQuote(first) && isQuote(last) {
		return "is in quotes; leave them out"
	}
	for _, c := range text {
		if what := unseen(c); what != "" && c != ' ' {
			return "holds " + what + "; remove it"
		}
	}
	return ""
}

// unseen names a character that leaves no ink, or is "".
func unseen(c rune) string {
	switch {
	case c == '\n' || c == '\r' || c == 0x85 || unicode.In(c, unicode.Zl, unicode.Zp):
		return "a line break"
	case c == '\t':
		return "a tab"
	case c == ' ':
		return "a blank"
	case c == 0xfeff:
		return "a byte order mark (U+FEFF)"
	case unicode.Is(unicode.Zs, c):
		return fmt.Sprintf("the blank U+%04X, which is not that of the keyboard", c)
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
