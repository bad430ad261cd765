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

	// maxBody is how many bytes of a response's body are read. If the body is longer, the
	// connection is closed.
	maxBody = 64 << 10

	// settleTime is how long to wait for the rest of a response once its status line has
	// decided the outcome.
	settleTime = 250 * time.Millisecond
)

var errHeaderTooLong = errors.New("the response's header is too long")

// read reads the response into the Outcome. An error means that there was no status line. After
// the status line, nothing is an error.
func (x *exchange) read(a *attempt, o *event.Outcome) (whole bool, err error) {
	x.deadline, x.patience = a.deadline, untilDeadline
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

// status waits for a status line and parses it. It leaves the line in the buffer.
func (x *exchange) status() (statusLine, error) {
	for want := 1; ; want = x.in.Buffered() + 1 {
		_, err := x.in.Peek(want)
		received, _ := x.in.Peek(x.in.Buffered())
		line, problem := parseStatus(received, err == io.EOF)
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

// settle reads what follows the status line, for at most settleTime. whole reports whether all
// of it was received and the connection can be reused.
func (x *exchange) settle(o *event.Outcome, line statusLine) (whole bool) {
	x.patience = settling
	h := &x.header
	err := h.read(x.in)
	judge(o, line.code, h)
	if err != nil {
		o.Detail = "the response's header is incomplete"
		return false
	}
	x.left = math.MaxInt // excerpt bounds the body
	o.Response, whole = x.body(line.code)
	if h.odd != "" {
		o.Detail = "the response's header has " + h.odd
	}
	persistent := line.http11 || line.http10 && h.keepAlive
	return whole && persistent && !h.closing && h.odd == "" && x.in.Buffered() == 0
}

// body reads the body and returns the beginning of it.
func (x *exchange) body(code int) (kept []byte, whole bool) {
	h := &x.header
	switch {
	case code < 200: // 101 has no body, but a stream of another protocol
		return nil, false
	case code == http.StatusNoContent, code == http.StatusNotModified:
		return nil, true
	case h.endUnknown, h.length < 0 && !h.chunked: // the body ends with the connection
		kept, _ = excerpt(x.in)
		return kept, false
	case h.chunked:
		if h.length >= 0 { // chunked wins (RFC 9112, section 6.3), but sending both may be an attack
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

// trailer skips the fields after the last chunk. It reports whether all of them were received and
// follow the rules.
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

// patience says how long a read may wait.
type patience uint8

const (
	untilDeadline patience = iota // until the attempt's deadline
	settling                      // settleTime, counted from the next read
	deadlineSet                   // until the read deadline that settling has set
)

// Read reads from the connection. It is the source of x.in.
func (x *exchange) Read(b []byte) (int, error) {
	if x.left <= 0 {
		return 0, errHeaderTooLong
	}
	if x.patience == settling { // rarely reached: most responses are already in the buffer
		x.patience = deadlineSet
		if end := time.Now().Add(settleTime); end.Before(x.deadline) {
			x.from.SetReadDeadline(end)
		}
	}
	n, err := x.from.Read(b[:min(len(b), x.left)])
	x.left -= n
	return n, err
}
