package config

import (
	"strings"
	"testing"
	"time"
)

func TestParseExpiry(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 30, 0, 0, time.UTC)
	for _, tt := range []struct{ text, want, why string }{
		{"90d", "2027-02-22T12:30:00Z", "days"},
		{"1d12h", "2026-11-26T00:30:00Z", "days and hours"},
		{"12h", "2026-11-25T00:30:00Z", "as Go formats it"},
		{"1s", "2026-11-24T12:30:01Z", "the shortest"},
		{"2027-01-31", "2027-01-31T00:00:00Z", "a day means its start"},
		{"2027-01-31T18:00:00+02:00", "2027-01-31T16:00:00Z", "a time is shown in UTC"},
		{"", "is not an expiry", "nothing"},
		{"90", "is not an expiry", "of what?"},
		{"0", "is not an expiry", "the same"},
		{"-90d", "is not an expiry", "backwards"},
		{"-1h", "is out of range", "backwards"},
		{"0d", "is out of range", "it would expire at once"},
		{"36501d", "is out of range", "a mistyped number"},
		{"999999999999d", "is not an expiry", "too large for a Duration"},
		{"99999999999999999999d", "is not an expiry", "the same, by far"},
		{"2026-11-24", "in the past", "this morning"},
		{"2026-11-24T12:30:00Z", "in the past", "now"},
		{"2127-01-01", "more than a hundred years", "a mistyped year"},
		{"9999-12-31", "more than a hundred years", "too far away to compare"},
		{"2027-02-30", "is not an expiry", "no such day"},
		{"31.01.2027", "is not an expiry", "another date format"},
		{"never", "is not an expiry", "leave the flag out"},
		{"1y", "is not an expiry", "no such unit"},
	} {
		end, err := ParseExpiry(tt.text, now)
		got := end.Format(time.RFC3339)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%q: %s, want %s: %s", tt.text, got, tt.want, tt.why)
		}
	}
}
