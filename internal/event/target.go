package event

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxTargetURL is the longest target URL, in bytes.
const MaxTargetURL = 2048

// CheckTarget returns what is wrong with the form of a target URL, or "". It does not decide
// which addresses may be called; the guard does. The API trims the URL first and converts an
// international host name to ASCII.
func CheckTarget(raw string) string {
	if raw == "" {
		return "must not be empty; use a URL like https://example.com/webhook"
	}
	if len(raw) > MaxTargetURL {
		return fmt.Sprintf("is %d bytes long; at most %d are allowed", len(raw), MaxTargetURL)
	}
	for _, check := range []func(string) string{pasteDamage, checkTargetStart, checkTargetBytes} {
		if problem := check(raw); problem != "" {
			return problem
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "is not a URL: " + parseReason(raw, err)
	}
	switch {
	case u.Opaque != "" || u.Host == "":
		return "has no host; use a URL like https://example.com/webhook"
	case u.User != nil:
		return "must not contain a user name or password; put credentials in one of the subscription's headers"
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return "must not have a fragment (#…), because it would never be sent"
	}
	return checkHost(u)
}

// checkTargetStart returns what is wrong with the beginning of a URL, up to its host.
func checkTargetStart(raw string) string {
	first, _ := utf8.DecodeRuneInString(raw)
	lower := strings.ToLower(raw)
	scheme, rest, found := strings.Cut(lower, ":")
	isHTTP := scheme == "http" || scheme == "https"
	switch {
	case first == '<':
		return "is in angle brackets; remove them"
	case isQuote(first):
		return "begins with a quotation mark; remove it"
	case strings.HasPrefix(lower, "http%3a") || strings.HasPrefix(lower, "https%3a"):
		return "is percent-encoded as a whole; use a URL like https://example.com/webhook"
	case strings.HasPrefix(lower, "http//") || strings.HasPrefix(lower, "https//"):
		return "lacks the colon after its scheme; use a URL like https://example.com/webhook"
	case !found || !isScheme(scheme) || strings.Contains(scheme, ".") || beginsWithDigit(rest):
		return "does not begin with a scheme; put https:// or http:// before it"
	case !isHTTP:
		return fmt.Sprintf("must begin with https:// or http://, found the scheme %q", Clip(scheme, MaxQuoted))
	case strings.HasPrefix(rest, `\`):
		return "has backslashes after its scheme; use // instead"
	case strings.HasPrefix(rest, "//http:") || strings.HasPrefix(rest, "//https:"):
		return "has its scheme twice; remove one"
	case strings.Contains(authority(raw), `\`):
		return "has a backslash in or after its host; use / instead"
	case !strings.HasPrefix(rest, "//"):
		return "has no host after its scheme, because // is missing; use a URL like https://example.com/webhook"
	}
	return ""
}

// checkTargetEnd returns what is wrong with the end of a new URL. CheckTarget does not call it,
// so that subscriptions which an earlier release accepted keep receiving deliveries.
func checkTargetEnd(raw string) string {
	if raw != "" && strings.IndexByte("\"`>", raw[len(raw)-1]) >= 0 {
		return fmt.Sprintf("ends with %q; remove it or percent-encode it", raw[len(raw)-1])
	}
	return ""
}

// isScheme reports whether a text has the form of a scheme (RFC 3986, section 3.1).
func isScheme(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	return text != "" && strings.Trim(text, letters+"0123456789+-.") == "" && strings.IndexByte(letters, text[0]) >= 0
}

// beginsWithDigit reports whether the text after a colon is a port, as in localhost:9000, and not
// the rest of a URL after its scheme.
func beginsWithDigit(text string) bool { return text != "" && '0' <= text[0] && text[0] <= '9' }

// authority returns the part of a URL between // and the path, as it is written.
func authority(raw string) string {
	_, rest, _ := strings.Cut(raw, "//")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// checkTargetBytes returns a message about the first character of a URL that can't be part of a
// request line, or "".
func checkTargetBytes(raw string) string {
	end := strings.Index(raw, "//") + len("//") + len(authority(raw))
	for i, c := range raw {
		switch {
		case c == ' ' && i < end:
			return "contains a space before or in its host name; remove it"
		case c == ' ':
			return "contains a space; write it as %20"
		case c > 0x7e && i < end:
			return fmt.Sprintf("has a host name that contains %q, which international host names can't contain (UTS 46)", c)
		case c > 0x7e:
			return fmt.Sprintf("contains the character %q after its host; percent-encode it: %s", c, url.PathEscape(string(c)))
		}
	}
	return ""
}

func checkHost(u *url.URL) string {
	host := u.Hostname()
	switch {
	case host == "":
		return "has no host; use a URL like https://example.com/webhook"
	case strings.Contains(host, "%"):
		return "must not have a zone id in its address"
	case len(host) > 253:
		return "has a host name of more than 253 characters"
	}
	if strings.HasSuffix(u.Host, ":") {
		return "has a colon but no port after its host"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Sprintf("has the port %s; a port is a number from 1 to 65535", port)
		}
	}
	if strings.Contains(host, ":") { // an IPv6 address, which url.Parse has checked
		return ""
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, labelBytes) != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Sprintf("has the host %q, which is not a valid DNS name", host)
		}
	}
	return ""
}

const labelBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// parseReason returns the cause of a parse error without the URL and without any part of it,
// because it may contain a password.
func parseReason(raw string, err error) string {
	if strings.Contains(raw, "@") {
		return "if it contains a user name or password, put them in one of the subscription's headers instead"
	}
	if e, ok := err.(*url.Error); ok {
		err = e.Err
	}
	return strings.TrimPrefix(err.Error(), "net/url: ")
}

// PortRange is the ports from First to Last, inclusive.
type PortRange struct{ First, Last uint16 }

// Contains reports whether the port is in the range.
func (r PortRange) Contains(port uint16) bool { return r.First <= port && port <= r.Last }

// String returns the range as it is written in settings: 443 or 1024-65535.
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}
