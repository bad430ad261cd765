package send

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	maxHeaderSize = 64 << 10 // bytes of a response's header, interim responses included

	// maxBody is how much of a response's body is read. A connection whose response is
	// longer is closed.
	maxBody = 64 << 10

	// settleTime is how long the rest of a response may take once its status line has
	// settled the attempt. What has not come by then is not waited for.
	settleTime = 250 * time.Millisecond
)

var errHeaderTooLong = errors.New("the response's header is too long")

// read writes the response into the Outcome. An error means that there was none: once a
// status line has come, nothing that follows is an error.
func (x *exchange) read(a *attempt, o *event.Outcome) (whole bool, err error) {
	x.deadline, x.hurry = a.deadline, calm
	if _, err := x.in.Peek(1); err != nil {
		return false, err
	}
	a.firstByte()
	for plain := true; ; {
		line, err := x.status()
		if err != nil {
			return false, err
		}
		if !line.interim() {
			whole = x.settle(o, line)
			return whole && plain, nil
		}
		if err := x.header.read(x.in); err != nil {
			return false, err
		}
		plain = plain && (line.http11 || line.http10) && x.header.odd == ""
	}
}

// status waits for a status line and reads it. What was read is still there.
func (x *exchange) status() (statusLine, error) {
	for want := 1; ; want = x.in.Buffered() + 1 {
		_, err := x.in.Peek(want)
		come, _ := x.in.Peek(x.in.Buffered())
		line, problem := parseStatus(come, err == io.EOF)
		switch {
		case problem == errMore && err == bufio.ErrBufferFull:
			return line, errNotHTTP
		case problem == errMore && err != nil:
			return line, err
		case problem != errMore:
			return line, problem
		}
	}
}

// settle reads what follows the status line, for settleTime at most. whole means that all
// of it has come, and that the connection is ready for another request.
func (x *exchange) settle(o *event.Outcome, line statusLine) (whole bool) {
	x.hurry = settled
	h := &x.header
	err := h.read(x.in)
	judge(o, line.code, h)
	if err != nil {
		o.Detail = "the response's header broke off after the status line"
		return false
	}
	x.left = math.MaxInt // excerpt bounds the body
	o.Response, whole = x.body(line.code)
	if h.odd != "" {
		o.Detail = "the response's header has " + h.odd
	}
	lasts := line.http11 || line.http10 && h.keepAlive
	return whole && lasts && !h.closing && h.odd == "" && x.in.Buffered() == 0
}

// body reads the body and returns how it begins.
func (x *exchange) body(code int) (kept []byte, whole bool) {
	h := &x.header
	switch {
	case code < 200: // 101 has no body but a stream without end
		return nil, false
	case code == http.StatusNoContent, code == http.StatusNotModified:
		return nil, true
	case h.endUnknown, h.length < 0 && !h.chunked: // it ends with the connection
		kept, _ = excerpt(x.in)
		return kept, false
	case h.chunked:
		if h.length >= 0 { // which of the two is right, RFC 9112, section 6.3, says; who sends both may mean harm
			h.note("both a length and a transfer encoding")
		}
		kept, whole = excerpt(httputil.NewChunkedReader(x.in))
		return kept, whole && x.trailer()
	case h.length == 0:
		return nil, true
	}
	x.limited = io.LimitedReader{R: x.in, N: h.length}
	kept, _ = excerpt(&x.limited)
	return kept, x.limited.N == 0
}

// trailer passes over the fields behind the last chunk. It reports whether all of them have
// come, by the rules.
func (x *exchange) trailer() bool {
	x.left = maxHeaderSize
	for {
		line, err := x.in.ReadSlice('\n')
		line, crlf := bytes.CutSuffix(line, []byte("\r\n"))
		if err != nil || !crlf {
			return false
		}
		if len(line) == 0 {
			return true
		}
		if _, _, odd := cutField(line); odd != "" {
			return false
		}
	}
}

// hurry is how long reading may wait.
type hurry uint8

const (
	calm    hurry = iota // until the attempt's deadline
	settled              // for settleTime, from the next time that it has to wait
	hurried              // as long as is left of it
)

// Read is for in.
func (x *exchange) Read(b []byte) (int, error) {
	if x.left <= 0 {
		return 0, errHeaderTooLong
	}
	if x.hurry == settled { // most responses have come whole by now, and never get here
		x.hurry = hurried
		if end := time.Now().Add(settleTime); end.Before(x.deadline) {
			x.from.SetReadDeadline(end)
		}
	}
	n, err := x.from.Read(b[:min(len(b), x.left)])
	x.left -= n
	return n, err
}
