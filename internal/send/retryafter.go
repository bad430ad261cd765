package send

import (
	"net/http"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// retryAfter parses the value of a Retry-After header: whole seconds or an HTTP date. It also
// accepts other ways to write seconds (64.57, 5s, a list like 60, 120), because an endpoint that
// asks for time means it. Of several values the longest counts. A date in the past counts as one
// second, because the header still says that the response is about the endpoint. A value that is
// negative or not understood counts as 0. The result is at most event.MaxRetryAfter.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Second, min(at.Sub(now), event.MaxRetryAfter))
	}
	var longest time.Duration
	for part := range strings.SplitSeq(value, ",") {
		longest = max(longest, secondsOf(strings.TrimSpace(part)))
	}
	return longest
}

// secondsOf parses a number of seconds, with or without a unit, and rounds it up.
func secondsOf(text string) time.Duration {
	text = strings.Trim(text, `"`)
	for _, unit := range []string{"seconds", "second", "secs", "sec", "s"} {
		if number, found := strings.CutSuffix(strings.ToLower(text), unit); found {
			text = strings.TrimSpace(number)
			break
		}
	}
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, ok := digits(whole)
	part, isFraction := digits(fraction)
	switch {
	case !ok && (whole != "" || !isFraction), fraction != "" && !isFraction:
		return 0
	case part > 0:
		seconds++
	}
	return min(time.Duration(max(seconds, 1))*time.Second, event.MaxRetryAfter)
}

// digits parses a number that consists of digits only. The number may be of any length; the
// result is at most the number of seconds in event.MaxRetryAfter.
func digits(s string) (n int64, ok bool) {
	const most = int64(event.MaxRetryAfter / time.Second)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(s[i]-'0'), most)
	}
	return n, s != ""
}
