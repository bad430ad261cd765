package send

import (
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, time.UTC)
	tests := []struct {
		value string
		want  time.Duration
		why   string
	}{
		{"120", 2 * time.Minute, "seconds"},
		{"  7 ", 7 * time.Second, "spaces around it"},
		{"0", time.Second, "zero counts as one second"},
		{"007", 7 * time.Second, "leading zeros"},
		{"86400", 24 * time.Hour, "the maximum"},
		{"86401", event.MaxRetryAfter, "more than the maximum"},
		{"99999999999999999999999999", event.MaxRetryAfter, "larger than any integer"},
		{"-1", 0, "negative"},
		{"+5", 0, "a sign is not a digit"},
		{"64.57", 65 * time.Second, "a fraction of a second is rounded up"},
		{"1.5", 2 * time.Second, "the same"},
		{"60.0", time.Minute, "a fraction of zero"},
		{"0.001", time.Second, "a small fraction"},
		{".5", time.Second, "no digits before the point"},
		{"5.", 5 * time.Second, "no digits after it"},
		{".", 0, "only a point"},
		{"1.2.3", 0, "two points"},
		{"1.x", 0, "no number after the point"},
		{"86399.5", 24 * time.Hour, "just below the maximum"},
		{"86400.5", event.MaxRetryAfter, "just above the maximum"},
		{"5s", 5 * time.Second, "a unit"},
		{" 5s", 5 * time.Second, "a space before it"},
		{"5 s", 5 * time.Second, "a space before the unit"},
		{"30 seconds", 30 * time.Second, "the unit as a word"},
		{"1 Second", time.Second, "the unit in capitals"},
		{"2 secs", 2 * time.Second, "an abbreviated unit"},
		{`"120"`, 2 * time.Minute, "in quotes"},
		{"5m", 0, "another unit is not understood"},
		{"5ms", 0, "the same"},
		{"s", 0, "only a unit"},
		{"60, 120", 2 * time.Minute, "two values, joined from two headers: the longer"},
		{"120, 60", 2 * time.Minute, "in any order"},
		{"60,60", time.Minute, "the same twice"},
		{"60, soon", time.Minute, "one of two values is understood"},
		{"60;", 0, "not a number"},
		{"in 60", 0, "not a number"},
		{"1e3", 0, "no exponents"},
		{"0x10", 0, "only decimal numbers"},
		{"٣", 0, "only ASCII digits"},
		{"", 0, "empty"},
		{"soon", 0, "a word"},
		{"Fri, 02 Jan 2026 03:05:05 GMT", 59500 * time.Millisecond, "an HTTP date"},
		{"Friday, 02-Jan-26 03:05:05 GMT", 59500 * time.Millisecond, "an HTTP date of RFC 850"},
		{"Fri Jan  2 03:05:05 2026", 59500 * time.Millisecond, "an HTTP date of asctime"},
		{"Fri, 02 Jan 2026 03:04:05 GMT", time.Second, "a date in the past counts as one second"},
		{"Sat, 01 Jan 0000 00:00:00 GMT", time.Second, "long ago"},
		{"Fri, 31 Dec 9999 23:59:59 GMT", event.MaxRetryAfter, "a date too far for a Duration"},
		{"2026-01-02T03:05:05Z", 0, "not a date format of HTTP"},
	}
	for _, tt := range tests {
		if got := retryAfter(tt.value, now); got != tt.want {
			t.Errorf("%q: %s: got %v, want %v", tt.value, tt.why, got, tt.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"120", "-1", "Fri, 02 Jan 2026 03:05:05 GMT", "99999999999999999999"} {
		f.Add(seed, int64(1767323045))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		if got := retryAfter(value, time.Unix(now, 0)); got < 0 || got > event.MaxRetryAfter {
			t.Errorf("%q at %d: %v", value, now, got)
		}
	})
}
