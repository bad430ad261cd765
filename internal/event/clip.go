package event

import "strings"

// MaxQuoted is how many bytes of a name that a caller made up an error message repeats.
const MaxQuoted = 64

// Clip shortens a caller's text for an error message: to its first bytes, most of them at
// most, and an ellipsis. It never cuts in the middle of a UTF-8 sequence, and of a text
// that it shortens it leaves out the bytes that are not UTF-8. A text that is short enough
// is returned as it is.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
