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
		{"  7 ", 7 * time.Second, "blanks around"},
		{"0", 0, "at once"},
		{"007", 7 * time.Second, "leading zeros"},
		{"86400", 24 * time.Hour, "the most"},
		{"86401", event.MaxRetryAfter, "more than the most"},
		{"99999999999999999999999999", event.MaxRetryAfter, "past any integer"},
		{"-1", 0, "negative"},
		{"+5", 0, "a sign is no digit"},
		{"1.5", 0, "no fractions"},
		{"1e3", 0, "no exponents"},
		{"0x10", 0, "decimal alone"},
		{"٣", 0, "ASCII digits alone"},
		{"", 0, "empty"},
		{"soon", 0, "junk"},
		{"5, 10", 0, "two values"},
		{"Fri, 02 Jan 2026 03:05:05 GMT", 59500 * time.Millisecond, "an HTTP date"},
		{"Friday, 02-Jan-26 03:05:05 GMT", 59500 * time.Millisecond, "an HTTP date of RFC 850"},
		{"Fri Jan  2 03:05:05 2026", 59500 * time.Millisecond, "an HTTP date of asctime"},
		{"Fri, 02 Jan 2026 03:04:05 GMT", 0, "a date that has passed"},
		{"Sat, 01 Jan 0000 00:00:00 GMT", 0, "long ago"},
		{"Fri, 31 Dec 9999 23:59:59 GMT", event.MaxRetryAfter, "a date past what a Duration holds"},
		{"2026-01-02T03:05:05Z", 0, "not a form that HTTP knows"},
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
