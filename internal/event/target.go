package event

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// MaxTargetURL is the longest target URL, in bytes.
const MaxTargetURL = 2048

// CheckTarget says what is wrong with the form of a target URL, or nothing. Which
// addresses may be called is the guard's matter, not the form's.
func CheckTarget(raw string) string {
	if raw == "" {
		return "must not be empty; write it like https://example.com/webhook"
	}
	if len(raw) > MaxTargetURL {
		return fmt.Sprintf("is %d bytes long; at most %d are allowed", len(raw), MaxTargetURL)
	}
	for _, c := range raw {
		if c <= ' ' || c == 0x7f || c > 0x7e {
			return fmt.Sprintf("holds the character %q; percent-encode it, and write a host name outside ASCII in its xn-- form", c)
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "is not a URL: " + parseReason(raw, err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Sprintf("must begin with https:// or http://, found the scheme %q", u.Scheme)
	case u.Opaque != "" || u.Host == "":
		return "has no host; write it like https://example.com/webhook"
	case u.User != nil:
		return "must not hold a user name or password; send credentials in a header of the subscription"
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return "must not have a fragment (#…): it would never be sent"
	}
	return checkHost(u)
}

func checkHost(u *url.URL) string {
	host := u.Hostname()
	switch {
	case host == "":
		return "has no host; write it like https://example.com/webhook"
	case strings.Contains(host, "%"):
		return "must not have a zone id in its address"
	case len(host) > 253:
		return "has a host name of over 253 characters"
	}
	if strings.HasSuffix(u.Host, ":") {
		return "has a colon but no port after its host"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Sprintf("has the port %s; a port is a number from 1 to 65535", port)
		}
	}
	if strings.Contains(host, ":") { // an IPv6 address, which url.Parse took in its brackets
		return ""
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, labelBytes) != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Sprintf("has a host name that no DNS name can be: %q", host)
		}
	}
	return ""
}

const labelBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// parseReason is the cause without the URL, and without any part of one that may
// hold a password: it must not be repeated.
func parseReason(raw string, err error) string {
	if strings.Contains(raw, "@") {
		return "if it holds a user name or password, send them in a header of the subscription instead"
	}
	if e, ok := err.(*url.Error); ok {
		err = e.Err
	}
	return strings.TrimPrefix(err.Error(), "net/url: ")
}

// PortRange is the ports from First to Last, with both.
type PortRange struct{ First, Last uint16 }

// Contains reports whether the port is one of them.
func (r PortRange) Contains(port uint16) bool { return r.First <= port && port <= r.Last }

// String is the range as it is written: 443 or 1024-65535.
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}
