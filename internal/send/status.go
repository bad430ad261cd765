package send

import (
	"bytes"
	"errors"
)

// statusLine is a parsed status line. It alone decides the outcome of an attempt.
type statusLine struct {
	code   int
	http11 bool // exactly as the standard requires, so the connection may be reused
	http10 bool // the same for HTTP/1.0, where the header must allow reuse
}

var (
	errMore    = errors.New("the status line is not complete")
	errNotHTTP = errors.New("the response is not HTTP/1.1")
	errIsTLS   = errors.New("the response to an http request is TLS")
	errIsHTTP2 = errors.New("the response is HTTP/2")
)

var protocol = []byte("HTTP/")

// parseStatus parses the beginning of a response, up to the character after the status code. It
// does not wait for the reason phrase, which has no meaning (RFC 9112, section 4). It returns
// errMore if it needs more bytes. ended says that there are no more.
//
// It accepts everything that can only be a status line: empty lines before it, a name in lower
// case, any version, several spaces or tabs, no reason phrase, a line that ends with LF alone or
// with the connection. It refuses what may be something else: no version, a code that does not
// have three digits, text before the line.
func parseStatus(b []byte, ended bool) (statusLine, error) {
	rest := bytes.TrimLeft(b, "\r\n")
	name := rest[:min(len(rest), len(protocol))]
	if !bytes.EqualFold(name, protocol[:len(name)]) {
		return statusLine{}, wrongProtocol(rest)
	}
	version, rest := cutRun(rest[len(name):], isVersion)
	blanks, rest := cutRun(rest, isBlank)
	digits, rest := cutRun(rest, isDigit)
	switch {
	case len(digits) > 3,
		len(version) == 0 && len(blanks)+len(digits)+len(rest) > 0,
		len(blanks) == 0 && len(digits)+len(rest) > 0,
		len(digits) < 3 && len(rest) > 0,
		len(rest) > 0 && !isBlank(rest[0]) && rest[0] != '\r' && rest[0] != '\n':
		return statusLine{}, errNotHTTP
	case len(digits) < 3, len(rest) == 0 && !ended:
		return statusLine{}, errMore
	}
	s := statusLine{code: int(digits[0]-'0')*100 + int(digits[1]-'0')*10 + int(digits[2]-'0')}
	tab := len(rest) > 0 && rest[0] == '\t'
	if plain := bytes.HasPrefix(b, protocol) && string(blanks) == " " && !tab; plain {
		s.http11, s.http10 = string(version) == "1.1", string(version) == "1.0"
	}
	return s, nil
}

// interim reports whether another response follows (RFC 9110, section 15.2). 101 is final,
// because the request did not ask to switch protocols.
func (s statusLine) interim() bool { return s.code >= 100 && s.code <= 199 && s.code != 101 }

// wrongProtocol returns the error for a response that is not HTTP/1.1. It recognizes common
// mistakes.
func wrongProtocol(b []byte) error {
	switch {
	case len(b) >= 2 && b[0] == 0x15 && b[1] == 3: // a TLS alert
		return errIsTLS
	case len(b) >= 9 && bytes.Equal(b[3:9], []byte{4, 0, 0, 0, 0, 0}): // the first HTTP/2 frame, SETTINGS
		return errIsHTTP2
	}
	return errNotHTTP
}

// cutRun splits b after the leading bytes for which is returns true.
func cutRun(b []byte, is func(byte) bool) (run, rest []byte) {
	n := 0
	for n < len(b) && is(b[n]) {
		n++
	}
	return b[:n], b[n:]
}

func isDigit(c byte) bool   { return c >= '0' && c <= '9' }
func isVersion(c byte) bool { return isDigit(c) || c == '.' }
func isBlank(c byte) bool   { return c == ' ' || c == '\t' }
