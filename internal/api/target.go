package api

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"github.com/hookferry/hookferry/internal/event"
)

// cleanTarget is a target URL as it is kept and shown: without blanks and line ends
// around it, and with an international host name in its ASCII form (UTS 46), so that
// everything behind the API judges and calls one and the same text. The warnings say
// what was changed. What it can't mend stays as it is, for event.CheckTarget to name.
func cleanTarget(raw string) (clean string, warnings []string) {
	clean = strings.Trim(raw, " \t\r\n\v\f")
	if clean == "" {
		return raw, nil
	}
	if clean != raw {
		warnings = append(warnings, "target_url had blanks or line ends around it, which were removed")
	}
	if ascii, host, to := asciiTarget(clean); to != "" {
		clean = ascii
		warnings = append(warnings, fmt.Sprintf("target_url has the international host name %q, which is called and shown as %s", event.Clip(host, 253), to))
	}
	return clean, warnings
}

// asciiTarget writes the host of a URL in its ASCII form, and returns both; to is "" if
// nothing is to be converted, or can be. Nothing invisible is dropped from a host: a
// person who reads it would not know.
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

// isInvisible is true of characters that UTS 46 ignores, but for the joiners that some
// scripts need.
func isInvisible(c rune) bool {
	return unicode.Is(unicode.Cf, c) && c != '\u200c' && c != '\u200d'
}
