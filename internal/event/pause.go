package event

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxPauseReason is how many characters the reason of a pause may have.
const MaxPauseReason = 500

// Check says what is wrong with a pause that a caller asks for; nil if nothing is.
func (p Pause) Check() error {
	switch n := utf8.RuneCountInString(p.Reason); {
	case n > MaxPauseReason:
		return Invalid("reason", fmt.Sprintf("is %d characters long; at most %d are allowed", n, MaxPauseReason))
	case !utf8.ValidString(p.Reason) || strings.Contains(p.Reason, "\x00"):
		return Invalid("reason", "holds a NUL character or bytes that are not UTF-8") // not every database keeps them
	}
	return nil
}
