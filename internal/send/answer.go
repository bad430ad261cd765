package send

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"hookferry/internal/event"
)

// maxBody is how much of an answer's body is read. A connection whose answer is
// longer is closed.
const maxBody = 64 << 10

// readAnswer writes into the Outcome what the receiver answered, and leaves the
// connection ready for the next request if the body ends within its bounds.
func readAnswer(o *event.Outcome, resp *http.Response) {
	defer resp.Body.Close()
	o.StatusCode = resp.StatusCode
	switch code := resp.StatusCode; {
	case code >= 200 && code <= 299:
	case code < 100:
		o.StatusCode = 0
		o.Code, o.Error = event.CodeBadResponse, "what came back has a status code that HTTP does not have"
	case code >= 300 && code <= 399:
		o.Code, o.Error = event.CodeRedirect, redirected(resp)
	case code == http.StatusGone:
		o.Code, o.Error = event.CodeGone, answered(code)
	default:
		o.Code, o.Error = event.CodeStatus, answered(code)
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		o.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), o.StartedAt)
	}
	if resp.StatusCode >= 200 { // 101 has no body but a stream without end
		o.Response = excerpt(resp.Body)
	}
}

// buffers are for reading bodies: pointers to arrays, so that neither taking one
// nor giving it back allocates.
var buffers = sync.Pool{New: func() any { return new([event.ExcerptLimit]byte) }}

// excerpt reads the body to its end, but no more than maxBody bytes, and returns
// how it begins. A body that is late, cut or endless changes nothing about the
// answer, because the status has been given: what came of it is the excerpt.
func excerpt(body io.Reader) []byte {
	if body == http.NoBody {
		return nil
	}
	buf := buffers.Get().(*[event.ExcerptLimit]byte)
	defer buffers.Put(buf)

	n, err := io.ReadFull(body, buf[:])
	var kept []byte
	if n > 0 {
		kept = append(kept, buf[:n]...)
	}
	for total := n; err == nil && total < maxBody; total += n {
		n, err = body.Read(buf[:min(len(buf), maxBody-total)])
	}
	return kept
}

// answered puts a status in words. They are the standard's, not the receiver's.
func answered(code int) string {
	s := "answered " + strconv.Itoa(code)
	if text := http.StatusText(code); text != "" {
		s += " " + text
	}
	return s
}

func redirected(resp *http.Response) string {
	location := resp.Header.Get("Location")
	if location == "" {
		return answered(resp.StatusCode) + ", which is not followed"
	}
	u, err := url.Parse(location)
	if err != nil {
		return "redirect to something that is not a URL not followed"
	}
	// What a receiver puts into the query or the user part may be confidential.
	query := ""
	if u.RawQuery != "" {
		query = "?…"
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return "redirect to " + quote(u.String()) + query + " not followed"
}
