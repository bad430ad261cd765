package event

import "strings"

// MaxQuoted is the largest number of bytes of a caller's text that an error message quotes.
const MaxQuoted = 64

// Clip shortens a text, so that an error message can quote it. If the text is longer than most
// bytes, Clip returns at most that many of its first bytes and an ellipsis. It never splits a UTF-8
// sequence, and removes invalid UTF-8. A text that is not longer is returned unchanged.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
