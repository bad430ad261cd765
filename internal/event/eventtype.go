package event

import (
	"fmt"
	"strings"
)

// MaxEventType is the longest event type or pattern, in bytes.
const MaxEventType = 256

// CheckEventType returns what is wrong with an event type, or "". A type consists of
// segments of letters, digits, '_', '-', ':' and '/', joined by dots.
func CheckEventType(t string) string {
	switch {
	case t == "":
		return "must not be empty"
	case len(t) > MaxEventType:
		return fmt.Sprintf("is %d bytes long; at most %d are allowed", len(t), MaxEventType)
	}
	for segment := range strings.SplitSeq(t, ".") {
		if segment == "" {
			return "has an empty segment; write it like user.created"
		}
	}
	for i := range len(t) {
		if !isTypeByte(t[i]) {
			return fmt.Sprintf("contains %q; only letters, digits and . _ - : / are allowed", t[i:i+runeLen(t[i:])])
		}
	}
	return ""
}

func isTypeByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("._-:/", c) >= 0
}

// runeLen returns the length of the first character in bytes, so that a message can quote it
// whole.
func runeLen(s string) int {
	for i := range s {
		if i > 0 {
			return i
		}
	}
	return len(s)
}

// CheckPattern returns what is wrong with an event-type pattern, or "". A
// pattern is an event type, "*", or an event type followed by ".*".
func CheckPattern(p string) string {
	if p == "*" {
		return ""
	}
	exact := strings.TrimSuffix(p, ".*")
	if strings.Contains(exact, "*") {
		return "may contain * only as its last segment, like user.*"
	}
	if len(p) > MaxEventType {
		exact = p
	}
	return CheckEventType(exact)
}

// Wants reports whether one of the patterns matches the event type. No patterns
// match everything. "user.*" matches one level or more below user: user.created
// and user.email.changed, but not user itself.
func Wants(patterns []string, eventType string) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		if p == eventType || p == "*" {
			return true
		}
		if prefix, found := strings.CutSuffix(p, "*"); found && len(eventType) > len(prefix) && strings.HasPrefix(eventType, prefix) {
			return true
		}
	}
	return false
}
