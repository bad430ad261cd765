package send

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// outcome reads a scripted response in fake time.
func outcome(t *testing.T, limit time.Duration, play func(net.Conn)) (o event.Outcome, whole bool, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var playing sync.WaitGroup
		playing.Go(func() { play(theirs) })
		x := exchanges.New().(*exchange)
		x.from, x.left = ours, maxHeaderSize
		x.in.Reset(x)
		ours.SetDeadline(time.Now().Add(limit))
		began := time.Now()
		whole, err = x.read(newAttempt(t.Context(), limit), &o)
		took = time.Since(began)
		ours.Close()
		theirs.Close()
		playing.Wait()
	})
	return o, whole, took, err
}

// says writes this, and then closes the connection or keeps it open.
func says(text string, closes bool) func(net.Conn) {
	return func(c net.Conn) {
		io.WriteString(c, text)
		if closes {
			c.Close()
		}
	}
}

// trickles writes the first part at once and the others one by one, without end.
func trickles(first, then string) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, first)
		for err == nil {
			time.Sleep(10 * time.Millisecond)
			_, err = io.WriteString(c, then)
		}
	}
}

// What follows a status line, each with 200, 404 and 503, and with an end and without.
func TestTheStatusDecides(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, rest, kept string
	}{
		{"an empty transfer encoding", "Transfer-Encoding: identity\r\n\r\nok", "ok"},
		{"an unknown encoding", "Transfer-Encoding: rot13\r\n\r\nbx", "bx"},
		{"two encodings", "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "2\r\nok\r\n0\r\n\r\n"},
		{"chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "2\r\nok\r\n0\r\n\r\n"},
		{"both chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok"},
		{"a line without a colon", "Server BaseHTTP/0.6\r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"a line of spaces", "   \r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"a control character", "X-A: a\x01b\r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"NUL", "X-A: \x00\r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"a CR inside a line", "X-A: a\rb\r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"an empty name", ": a\r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"a space in a name", "X A: b\r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"a space before the colon", "X-A : b\r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"a name that is not ASCII", "X-\u00e9: b\r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"a folded line", "X-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"a length that is a word", "Content-Length: two\r\n\r\nok", "ok"},
		{"an empty length", "Content-Length:\r\n\r\nok", "ok"},
		{"a negative length", "Content-Length: -2\r\n\r\nok", "ok"},
		{"a length with a sign", "Content-Length: +2\r\n\r\nok", "ok"},
		{"a length of more than 64 bits", "Content-Length: 99999999999999999999999\r\n\r\nok", "ok"},
		{"different lengths", "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", "ok"},
		{"a list of lengths", "Content-Length: 2, 2\r\n\r\nok", "ok"},
		{"a length larger than the body", "Content-Length: 1000\r\n\r\nhalf", "half"},
		{"a chunk larger than the data", "Transfer-Encoding: chunked\r\n\r\nff\r\nhalf", "half"},
		{"a bad chunk", "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n", "ok"},
		{"chunks without the last line", "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", "ok"},
		{"a truncated trailer", "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A: b", "ok"},
		{"a truncated header", "X-A", ""},
		{"an endless header", "X-A: b\r\n", ""},
		{"nothing", "", ""},
		{"garbage", "\x00\xff\x15\x03\x01", ""},
		{"more than one response", "Content-Length: 2\r\n\r\nokHTTP/1.1 500 Oops\r\n\r\n", "ok"},
		{"no length", "\r\nok", "ok"},
	}
	for _, tt := range tests {
		for _, status := range []struct {
			line string
			want event.Outcome
		}{
			{"HTTP/1.1 200 OK\r\n", event.Outcome{StatusCode: 200}},
			{"HTTP/1.1 404 Not Found\r\n", event.Outcome{StatusCode: 404, Code: event.CodeStatus, Error: "responded with 404 Not Found"}},
			{"HTTP/1.1 503 x\r\nRetry-After: 7\r\n", event.Outcome{StatusCode: 503, Code: event.CodeStatus, Error: "responded with 503 Service Unavailable", RetryAfter: 7 * time.Second}},
		} {
			for _, closes := range []bool{true, false} {
				o, whole, took, err := outcome(t, time.Minute, says(status.line+tt.rest, closes))
				if err != nil || o.StatusCode != status.want.StatusCode || o.Code != status.want.Code || o.Error != status.want.Error || o.RetryAfter != status.want.RetryAfter {
					t.Errorf("%s: %d %s %q, Retry-After %v, %v; want %+v", tt.name, o.StatusCode, o.Code, o.Error, o.RetryAfter, err, status.want)
				}
				if string(o.Response) != tt.kept {
					t.Errorf("%s: the excerpt is %q, want %q", tt.name, o.Response, tt.kept)
				}
				if whole || took > settleTime {
					t.Errorf("%s: it took %v, and the connection is kept: %v", tt.name, took, whole)
				}
			}
		}
	}
}

// After the status line, slow data is waited for only a short time.
func TestSlowDataAfterTheStatus(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name  string
		play  func(net.Conn)
		limit time.Duration
		took  time.Duration
	}{
		{"nothing more", says(ok, false), time.Minute, settleTime},
		{"an endless body", says(ok+"\r\n", false), time.Minute, settleTime},
		{"a body that does not arrive", says(ok+"Content-Length: 5\r\n\r\n", false), time.Minute, settleTime},
		{"a slow reason phrase", trickles("HTTP/1.1 200 ", "a"), time.Minute, settleTime},
		{"a slow header", trickles(ok, "a"), time.Minute, settleTime},
		{"slow header fields", trickles(ok, "A: b\r\n"), time.Minute, settleTime},
		{"a slow body", trickles(ok+"\r\n", "a"), time.Minute, settleTime},
		{"a slow body with a length", trickles(ok+"Content-Length: 60000\r\n\r\n", "abc"), time.Minute, settleTime},
		{"slow chunks", trickles(ok+"Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"), time.Minute, settleTime},
		{"a slow chunk", trickles(ok+"Transfer-Encoding: chunked\r\n\r\nffff\r\n", "a"), time.Minute, settleTime},
		{"a slow trailer", trickles(ok+"Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n"), time.Minute, settleTime},
		{"an interim response first", says("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"+ok+"\r\n", false), time.Minute, settleTime},
		{"another protocol", trickles("HTTP/1.1 101 Switching Protocols\r\n\r\n", "a"), time.Minute, 0},
		{"the attempt's timeout comes first", says(ok, false), 100 * time.Millisecond, 100 * time.Millisecond},
		{"a failure", says("HTTP/1.1 500 Oops\r\n", false), time.Minute, settleTime},
	}
	for _, tt := range tests {
		o, whole, took, err := outcome(t, tt.limit, tt.play)
		if err != nil || o.StatusCode == 0 || whole || took != tt.took {
			t.Errorf("%s: %d after %v, want %v; %v, and the connection is kept: %v", tt.name, o.StatusCode, took, tt.took, err, whole)
		}
	}
}

// The status line may take the attempt's whole timeout, no matter how many interim responses come.
func TestTheStatusIsWaitedFor(t *testing.T) {
	t.Parallel()
	slowly := func(c net.Conn) {
		for _, b := range []byte("\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nnot a field\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n") {
			time.Sleep(100 * time.Millisecond)
			c.Write([]byte{b})
		}
	}
	if o, _, _, err := outcome(t, time.Minute, slowly); err != nil || o.StatusCode != 204 || !o.Success() {
		t.Errorf("%d %s %v", o.StatusCode, o.Code, err)
	}
	interim := trickles("", "HTTP/1.1 102 Processing\r\n\r\n")
	if o, _, took, err := outcome(t, 10*time.Second, interim); !isTimeout(err) || o.StatusCode != 0 || took != 10*time.Second {
		t.Errorf("endless interim responses: %d, %v after %v", o.StatusCode, err, took)
	}
}

// A connection is reused if the response followed all rules. If not, the log says why.
func TestReuseAndRemarks(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		text  string
		whole bool
		note  string
	}{
		{ok + "Content-Length: 0\r\n\r\n", true, ""},
		{ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", true, ""},
		{ok + "content-length:2\r\n\r\nok", true, ""},
		{"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", true, ""},
		{"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", true, ""},
		{ok + "Transfer-Encoding: Chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX-A: b\r\n\r\n", true, ""},
		{ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\n", false, ""},
		{ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A b\r\n\r\n", false, ""},
		{ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A: b\n\r\n", false, ""},
		{ok + "Set-Cookie: " + strings.Repeat("a", 9000) + "\r\nContent-Length: 2\r\n\r\nok", true, ""},
		{"HTTP/1.1 103 Early Hints\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok", true, ""},
		{"http/1.1 103 Early Hints\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok", false, ""},
		{"HTTP/2 100 Continue\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok", false, ""},
		{"HTTP/1.1 103 Early Hints\r\nno field\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok", false, ""},
		{"HTTP/1.1 200\tOK\r\nContent-Length: 2\r\n\r\nok", false, ""},
		{"HTTP/1.1 200\rOK\r\nContent-Length: 2\r\n\r\nok", false, "the response's header has a control character"},
		{"HTTP/1.1 204 No Content\r\n\r\n", true, ""},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", true, ""},
		{"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", true, ""},
		{"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false, ""},
		{"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok", false, ""},
		{"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, ""},
		{ok + "Connection: x, Close\r\nContent-Length: 2\r\n\r\nok", false, ""},
		{ok + "Content-Length: 2\r\n\r\nok, and more", false, ""},
		{ok + "Server BaseHTTP/0.6\r\nContent-Length: 2\r\n\r\nok", false, "the response's header has a line that is not a header field"},
		{ok + "X-A: \x1b[31m\r\nContent-Length: 2\r\n\r\nok", false, "the response's header has a control character"},
		{ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", false, "the response's header has a Content-Length that contradicts itself"},
		{ok + "Transfer-Encoding: identity\r\n\r\nok", false, "the response's header has a transfer encoding that is not understood"},
		{ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, "the response's header has both a length and a transfer encoding"},
		{ok + "X-A: b", false, "the response's header is incomplete"},
		{ok + "X-A: " + strings.Repeat("a", maxHeaderSize), false, "the response's header is incomplete"},
	}
	for _, tt := range tests {
		o, whole, _, err := outcome(t, time.Minute, says(tt.text, false))
		if err != nil || !o.Success() && o.StatusCode != 304 || whole != tt.whole || o.Detail != tt.note {
			t.Errorf("%.60q: %d %v, kept %v, want %v; %q, want %q", tt.text, o.StatusCode, err, whole, tt.whole, o.Detail, tt.note)
		}
	}
}

func TestStatusLines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text   string
		ended  bool
		code   int // 0: none
		reason string
	}{
		{"HTTP/1.1 200 OK\r\n", false, 200, "as in the standard"},
		{"HTTP/1.0 503 Service Unavailable\r\n", false, 503, "an old version"},
		{"HTTP/1.1 200 \r\n", false, 200, "the reason phrase may be empty"},
		{"HTTP/1.1 200\r\n", false, 200, "the space before it is often missing"},
		{"HTTP/1.1 200\n", false, 200, "RFC 9112, section 2.2, allows only LF"},
		{"HTTP/1.1 200\r", false, 200, "the line ends after the code"},
		{"HTTP/1.1 200", true, 200, "the end of the connection ends the line"},
		{"HTTP/1.1 200 O", false, 200, "the reason phrase has no meaning"},
		{"HTTP/1.1  200 OK\r\n", false, 200, "two spaces have no other meaning"},
		{"HTTP/1.1\t200\tOK\r\n", false, 200, "tabs can't either"},
		{"http/1.1 200 OK\r\n", false, 200, "lower case has no other meaning"},
		{"\r\n\r\nHTTP/1.1 200 OK\r\n", false, 200, "empty lines before it, left over from a body"},
		{"HTTP/2 200 OK\r\n", false, 200, "any version: it has no influence on the status"},
		{"HTTP/2.0 200 OK\r\n", false, 200, "the same"},
		{"HTTP/3 200 \r\n", false, 200, "the same"},
		{"HTTP/1.1 999 x\r\n", false, 999, "three digits"},
		{"HTTP/1.1 000 x\r\n", false, 0, "three digits of an unknown status"},
		{"HTTP/1.1 2000 OK\r\n", false, -1, "four digits"},
		{"HTTP/1.1 20 OK\r\n", false, -1, "two digits"},
		{"HTTP/1.1 20\r\n", false, -1, "two digits"},
		{"HTTP/1.1 OK\r\n", false, -1, "no digits"},
		{"HTTP/1.1 +20 OK\r\n", false, -1, "a sign"},
		{"HTTP/1.1 -200 OK\r\n", false, -1, "a sign"},
		{"HTTP/1.1 200OK\r\n", false, -1, "the end of the code is not known"},
		{"HTTP/1.1 200.0\r\n", false, -1, "the end of the code is not known"},
		{"HTTP/1.1 \u0662\u0660\u0660 OK\r\n", false, -1, "digits of another script"},
		{"HTTP/1.1200 OK\r\n", false, -1, "no space"},
		{"HTTP/1.1\r\n200 OK", false, -1, "the code is on another line"},
		{"HTTP/ 200 OK\r\n", false, -1, "no version"},
		{"HTTP 200 OK\r\n", false, -1, "no version"},
		{"HTTP/x 200 OK\r\n", false, -1, "no version"},
		{"ICY 200 OK\r\n", false, -1, "a streaming server, not an endpoint of webhooks"},
		{"200 OK\r\n", false, -1, "no protocol"},
		{" HTTP/1.1 200 OK\r\n", false, -1, "text before it may be part of a body"},
		{"\ufeffHTTP/1.1 200 OK\r\n", false, -1, "text before it may be part of a body"},
		{"Status: 200 OK\r\n", false, -1, "the header of a CGI script"},
		{"<html>HTTP/1.1 200 OK", false, -1, "a body without a status, as in HTTP/0.9"},
		{"POST / HTTP/1.1\r\n", false, -1, "the request, sent back"},
		{"\x15\x03\x01\x00\x02\x02\x46", false, -1, "TLS"},
	}
	for _, tt := range tests {
		got, err := parseStatus([]byte(tt.text), tt.ended)
		if bad := err != nil; bad != (tt.code < 0) || !bad && got.code != tt.code || errors.Is(err, errMore) {
			t.Errorf("%q: got %d, %v, want %d: %s", tt.text, got.code, err, tt.code, tt.reason)
		}
		for n := range len(tt.text) { // no prefix of it means anything else
			part, problem := parseStatus([]byte(tt.text[:n]), false)
			if problem == nil && (err != nil || part != got) || problem != nil && problem != errMore && err == nil {
				t.Errorf("%q: its first %d bytes are %d, %v", tt.text, n, part.code, problem)
			}
		}
	}
}

// once is a connection that has these bytes and then ends.
type once struct {
	net.Conn
	io.Reader
}

func (o once) Read(b []byte) (int, error)      { return o.Reader.Read(b) }
func (o once) SetReadDeadline(time.Time) error { return nil }

// FuzzResponses compares with net/http: what that can read, an attempt reads alike; and a
// connection is kept only if that would, too, at the same byte.
func FuzzResponses(f *testing.F) {
	for _, seed := range []string{
		okResponse, "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nok", "HTTP/1.1 100 Continue\r\n\r\n" + okResponse,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n", "HTTP/1.1 503 x\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 302 x\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 101 x\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var o event.Outcome
		x := exchanges.New().(*exchange)
		x.from, x.left = once{Reader: bytes.NewReader(text)}, maxHeaderSize
		x.in.Reset(x)
		whole, err := x.read(newAttempt(t.Context(), time.Minute), &o)
		theirs := readWithNetHTTP(text)
		if whole && (err != nil || !theirs.whole) {
			t.Fatalf("%q: the connection is kept, but net/http does not keep it", text)
		}
		if theirs.response == nil || theirs.response.StatusCode < 100 {
			return
		}
		if err != nil || o.StatusCode != theirs.response.StatusCode {
			t.Fatalf("%q: %d, %v; net/http reads %d", text, o.StatusCode, err, theirs.response.StatusCode)
		}
		if theirs.whole && x.header.odd == "" && !bytes.Equal(o.Response, theirs.body[:min(len(theirs.body), event.ExcerptLimit)]) {
			t.Fatalf("%q: the excerpt is %q; net/http reads %q", text, o.Response, theirs.body)
		}
	})
}

type netHTTP struct {
	response *http.Response // the final one; nil if there is none
	body     []byte
	whole    bool
}

func readWithNetHTTP(text []byte) (n netHTTP) {
	in := bufio.NewReaderSize(bytes.NewReader(text), 1<<20)
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodPost})
		if err != nil {
			return n
		}
		if resp.StatusCode >= 100 && resp.StatusCode <= 199 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		n.response = resp
		n.body, err = io.ReadAll(resp.Body)
		n.whole = err == nil && !resp.Close && in.Buffered() == 0
		return n
	}
}
