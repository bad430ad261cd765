package event_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

func TestPauseReasons(t *testing.T) {
	for _, c := range []struct {
		reason, text string
		ok           bool
	}{
		{"none", "", true},
		{"words", "maintenance until 5", true},
		{"lines", "a\nb\tc", true},
		{"the longest, of one byte each", strings.Repeat("x", 500), true},
		{"the longest, of two bytes each", strings.Repeat("ü", 500), true},
		{"a character too long", strings.Repeat("x", 501), false},
		{"a character too long, of two bytes each", strings.Repeat("ü", 501), false},
		{"a NUL", "a\x00b", false},
		{"not UTF-8", "caf\xe9", false},
	} {
		err := event.Pause{Reason: c.text}.Check()
		if invalid, is := errors.AsType[*event.InvalidError](err); is == c.ok || is && invalid.Fields[0].Field != "reason" {
			t.Errorf("%s: %v", c.reason, err)
		}
	}
}
