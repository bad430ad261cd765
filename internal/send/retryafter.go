package send

import (
	"net/http"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// retryAfter reads the value of a Retry-After header: whole seconds or an HTTP
// date. What is neither, lies in the past or is negative counts as nothing; a
// receiver can't ask for more than event.MaxRetryAfter.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, ok := digits(value); ok {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil || !at.After(now) {
		return 0
	}
	return min(at.Sub(now), event.MaxRetryAfter)
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
