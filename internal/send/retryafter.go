package send

import (
	"net/http"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// retryAfter reads the value of a Retry-After header: whole seconds or an HTTP date.
// Where it is neither, but holds a number of seconds (64.57, 5s, 60, 120), it is waited as
// long as that says: an endpoint that asks for time means it. Of several values the
// longest counts. A time that has come is the least that counts, a second: the header says that
// the response is about the endpoint. What says nothing or is negative counts as nothing, 0; an
// endpoint can't ask for more than event.MaxRetryAfter.
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

// secondsOf reads a number of seconds, perhaps with its unit. A part of a second counts as
// a whole one.
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

// digits reads a number of digits alone, however long, and stops counting at
// the most that may be asked for.
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
