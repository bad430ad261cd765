package send

import (
	"strconv"
	"strings"
	"time"
)

// maxQuote is how much is repeated of a text that a stranger wrote.
const maxQuote = 200

// quote makes a stranger's text fit for a sentence: short, and without anything
// but visible ASCII and blanks.
func quote(s string) string {
	cut := ""
	if len(s) > maxQuote {
		s, cut = s[:maxQuote], "…"
	}
	q := strconv.QuoteToASCII(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + cut
}

// seconds writes a time-out as operators do: 60s, where time.Duration says 1m0s.
func seconds(d time.Duration) string {
	if d < time.Second {
		return d.String()
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}
