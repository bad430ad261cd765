package api

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"github.com/hookferry/hookferry/internal/event"
)

// cleanTarget returns a target URL as it is stored and shown: without white space around it, and
// with an international host name in its ASCII form (UTS 46), so that everything behind the API
// judges and calls the same text. The warnings name the changes. A URL that it can't mend stays as
// it is, for event.CheckTarget to report.
func cleanTarget(raw string) (clean string, warnings []string) {
	clean = strings.Trim(raw, " \t\r\n\v\f")
	if clean == "" {
		return raw, nil
	}
	if clean != raw {
		warnings = append(warnings, "target_url had white space around it, which was removed")
	}
	if ascii, host, to := asciiTarget(clean); to != "" {
		clean = ascii
		warnings = append(warnings, fmt.Sprintf("target_url has the international host name %q; it is stored and called as %s", event.Clip(host, 253), to))
	}
	return clean, warnings
}

// asciiTarget converts the host of a URL to its ASCII form, and returns the URL and both forms of
// the host. to is "" if the host is ASCII already or can't be converted. A host with
// invisible characters is not converted: a person who reads it would not see what was dropped.
func asciiTarget(raw string) (ascii, host, to string) {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || len(raw) > event.MaxTargetURL {
		return "", "", ""
	}
	host = u.Hostname()
	if isPrintable(host) || strings.ContainsFunc(host, isInvisible) {
		return "", "", ""
	}
	to, err = idna.Lookup.ToASCII(host)
	if err != nil || strings.ContainsAny(to, `/?#@:[]\%`) {
		return "", "", ""
	}
	begin := strings.Index(raw, "//") + len("//")
	end := len(raw)
	if i := strings.IndexAny(raw[begin:], "/?#"); i >= 0 {
		end = begin + i
	}
	port := ""
	if i := strings.LastIndexByte(raw[begin:end], ':'); i >= 0 {
		port = raw[begin+i : end]
	}
	return raw[:begin] + to + port + raw[end:], host, to
}

// isInvisible reports whether UTS 46 ignores a character, except for the joiners that some scripts
// need.
func isInvisible(c rune) bool {
	return unicode.Is(unicode.Cf, c) && c != '\u200c' && c != '\u200d'
}
