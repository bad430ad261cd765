package event

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxPauseReason is how many characters the reason for a pause may have.
const MaxPauseReason = 500

// Check checks a pause that a caller asks for. The error is an *InvalidError.
func (p Pause) Check() error {
	switch n := utf8.RuneCountInString(p.Reason); {
	case n > MaxPauseReason:
		return Invalid("reason", fmt.Sprintf("is %d characters long; at most %d are allowed", n, MaxPauseReason))
	case !utf8.ValidString(p.Reason) || strings.Contains(p.Reason, "\x00"):
		return Invalid("reason", "contains a NUL character or invalid UTF-8") // not every database can store them
	}
	return nil
}
