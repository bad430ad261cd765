package send

import (
	"bytes"
	"errors"
)

// statusLine is what a status line says. The outcome of an attempt depends on it alone.
type statusLine struct {
	code   int
	http11 bool // written as the standard has it, so that the connection may be used again
	http10 bool // the same, if the header says so
}

var (
	errMore    = errors.New("the status line is not complete")
	errNotHTTP = errors.New("what came back is not HTTP/1.1")
	errIsTLS   = errors.New("TLS came back to an http request")
	errIsHTTP2 = errors.New("HTTP/2 came back")
)

var protocol = []byte("HTTP/")

// parseStatus reads the beginning of a response, as far as the character after the status
// code: the reason phrase means nothing (RFC 9112, section 4), so nothing waits for it.
// errMore asks for more bytes; ended says that there will be none.
//
// It accepts what can mean nothing else: empty lines before the status line, a name in
// lower case, any version, several blanks or tabs, no reason phrase, a line that ends with
// LF alone or with the connection. It refuses what may not be a status: no version, a code
// that does not have three digits, text in front.
func parseStatus(b []byte, ended bool) (statusLine, error) {
	rest := bytes.TrimLeft(b, "\r\n")
	name := rest[:min(len(rest), len(protocol))]
	if !bytes.EqualFold(name, protocol[:len(name)]) {
		return statusLine{}, foreign(rest)
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

// interim reports whether another response follows (RFC 9110, section 15.2). 101 is final:
// nothing was asked to change its protocol.
func (s statusLine) interim() bool { return s.code >= 100 && s.code <= 199 && s.code != 101 }

// foreign recognises what is sent instead of HTTP/1.1 by mistake.
func foreign(b []byte) error {
	switch {
	case len(b) >= 2 && b[0] == 0x15 && b[1] == 3: // an alert
		return errIsTLS
	case len(b) >= 9 && bytes.Equal(b[3:9], []byte{4, 0, 0, 0, 0, 0}): // its first frame, SETTINGS
		return errIsHTTP2
	}
	return errNotHTTP
}

// cutRun cuts off the bytes at the beginning that are of a kind.
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
