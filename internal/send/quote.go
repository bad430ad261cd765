package send

import (
	"strconv"
	"strings"
	"time"
)

// maxQuote is the maximum number of bytes of an endpoint's text that a message quotes.
const maxQuote = 200

// quote makes an endpoint's text safe to put into a message: short, and only visible ASCII and
// spaces.
func quote(s string) string {
	cut := ""
	if len(s) > maxQuote {
		s, cut = s[:maxQuote], "…"
	}
	q := strconv.QuoteToASCII(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + cut
}

// seconds formats a timeout as operators write it: 60s instead of time.Duration's 1m0s.
func seconds(d time.Duration) string {
	if d < time.Second {
		return d.String()
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}
