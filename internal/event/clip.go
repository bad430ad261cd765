package event

import "strings"

// MaxQuoted is how many bytes of a caller's text an error message quotes at most.
const MaxQuoted = 64

// Clip shortens a text of more than most bytes to its first bytes, at most that many, and an
// ellipsis, so that an error message can quote it. It never splits a UTF-8 sequence, and it
// removes invalid UTF-8 from a text that it shortens. A shorter text is returned unchanged.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
