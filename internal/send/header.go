package send

import (
	"bufio"
	"bytes"
	"strconv"
)

// header is the part of a response's header that an attempt needs.
type header struct {
	length     int64 // of the body; -1 if the header does not say
	chunked    bool
	endUnknown bool // what the header says about the end of the body is wrong or not understood
	keepAlive  bool
	closing    bool
	location   string
	retryAfter string
	odd        string // the first violation of the rules, or ""; if set, the connection is not reused
}

// read reads the rest of the status line and the header, up to the empty line that ends it.
// It ignores what it does not understand, because the status line has decided the outcome.
func (h *header) read(in *bufio.Reader) error {
	*h = header{length: -1}
	for isStatus := true; ; {
		line, err := readLine(in)
		switch {
		case err != nil:
			return err
		case isStatus: // perhaps preceded by empty lines
			isStatus = len(line) == 0
			if bytes.IndexByte(line, '\r') >= 0 {
				h.note("a control character")
			}
		case len(line) == 0:
			return nil
		default:
			h.field(line)
		}
	}
}

// readLine reads a line and removes the line end. If the line does not fit into the buffer, it
// returns the beginning.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		line = bytes.Clone(line) // the next read overwrites it
		for err == bufio.ErrBufferFull {
			_, err = in.ReadSlice('\n')
		}
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), nil
}

func (h *header) field(line []byte) {
	name, value, odd := cutField(line)
	if odd != "" {
		h.note(odd)
	}
	switch { // isField compares the lengths first, which tells most fields apart
	case isField(name, "Content-Length"):
		h.setLength(value)
	case isField(name, "Transfer-Encoding"):
		h.setEncoding(value)
	case isField(name, "Connection"):
		h.setConnection(value)
	case isField(name, "Location") && h.location == "":
		h.location = string(value)
	case isField(name, "Retry-After") && h.retryAfter == "":
		h.retryAfter = string(value)
	case isField(name, "Retry-After"):
		h.retryAfter += ", " + string(value)
	}
}

// cutField splits a header field into its name and value. odd says which rule the line breaks. A
// line that is not a field has no name and no value.
func cutField(line []byte) (name, value []byte, odd string) {
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found || !isToken(name) {
		return nil, nil, "a line that is not a header field"
	}
	value = bytes.Trim(value, " \t")
	if bytes.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return name, value, "a control character"
	}
	return name, value, ""
}

// note records a violation of the rules, if it is the first.
func (h *header) note(what string) {
	if h.odd == "" {
		h.odd = what
	}
}

// maxDigits is more digits than any valid length has, and fewer than fit into readLine's buffer.
const maxDigits = 20

func (h *header) setLength(value []byte) {
	n, err := strconv.ParseUint(string(value), 10, 62)
	if err != nil || len(value) > maxDigits || h.length >= 0 && h.length != int64(n) {
		h.endUnknown = true
		h.note("a Content-Length that contradicts itself")
		return
	}
	h.length = int64(n)
}

func (h *header) setEncoding(value []byte) {
	if h.chunked || !bytes.EqualFold(value, []byte("chunked")) {
		h.endUnknown = true
		h.note("a transfer encoding that is not understood")
	}
	h.chunked = true
}

func (h *header) setConnection(value []byte) {
	for option := range bytes.SplitSeq(value, []byte(",")) {
		option = bytes.Trim(option, " \t")
		h.closing = h.closing || bytes.EqualFold(option, []byte("close"))
		h.keepAlive = h.keepAlive || bytes.EqualFold(option, []byte("keep-alive"))
	}
}

func isField(name []byte, field string) bool {
	return len(name) == len(field) && bytes.EqualFold(name, []byte(field))
}

// isToken reports whether a name contains only characters that names may (RFC 9110, section
// 5.6.2).
func isToken(name []byte) bool {
	for _, c := range name {
		if c >= 0x80 || !tokens[c] {
			return false
		}
	}
	return len(name) > 0
}

var tokens = func() (is [0x80]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~") {
		is[c] = true
	}
	return is
}()
