package event_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

func TestScopes(t *testing.T) {
	for _, tt := range []struct {
		held, needed event.Scope
		covers       bool
		why          string
	}{
		{"admin", "admin", true, "itself"},
		{"admin", "publish", true, "admin is everything"},
		{"admin", "read", true, "admin is everything"},
		{"publish", "publish", true, "itself"},
		{"publish", "read", false, "a leaked key of a publisher must not read anything"},
		{"publish", "admin", false, "a leaked key of a publisher must not change anything"},
		{"read", "read", true, "itself"},
		{"read", "publish", false, "reading sends nothing"},
		{"read", "admin", false, "reading changes nothing"},
		{"", "", false, "a key without a scope may do nothing, not even call an operation that names no scope"},
		{"", "read", false, "the same"},
		{"replay", "replay", false, "a scope of a later release is unknown here"},
		{"replay", "read", false, "the same"},
		{"Admin", "read", false, "scopes are case-sensitive"},
		{"read", "", false, "an operation that names no scope is for admins"},
		{"admin", "", true, "the same"},
	} {
		if got := tt.held.Covers(tt.needed); got != tt.covers {
			t.Errorf("%q covers %q: %v; %s", tt.held, tt.needed, got, tt.why)
		}
	}
}

func TestParseScope(t *testing.T) {
	for _, name := range []string{"admin", "publish", "read"} {
		if got, err := event.ParseScope(name); err != nil || string(got) != name {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "ADMIN", "write", "read,publish", "read "} {
		if _, err := event.ParseScope(name); err == nil || !strings.Contains(err.Error(), "use admin, publish or read") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestExpired(t *testing.T) {
	end := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		ends, now time.Time
		expired   bool
		why       string
	}{
		{time.Time{}, end, false, "it never expires"},
		{end, end.Add(-1), false, "the last moment"},
		{end, end, true, "it is invalid from this time on"},
		{end, end.Add(time.Hour), true, "after it"},
	} {
		if got := (event.APIKey{ExpiresAt: tt.ends}).Expired(tt.now); got != tt.expired {
			t.Errorf("%s: %v", tt.why, got)
		}
	}
}
