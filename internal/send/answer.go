package send

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/hookferry/hookferry/internal/event"
)

// judge writes into the Outcome what a status means.
func judge(o *event.Outcome, code int, h *header) {
	o.StatusCode = code
	switch {
	case code >= 200 && code <= 299:
	case code < 100:
		o.StatusCode = 0
		o.Code, o.Error = event.CodeBadResponse, "what came back has a status code that HTTP does not have"
	case code >= 300 && code <= 399:
		o.Code, o.Error = event.CodeRedirect, redirected(code, h.location)
	case code == http.StatusGone:
		o.Code, o.Error = event.CodeGone, answered(code)
	default:
		o.Code, o.Error = event.CodeStatus, answered(code)
	}
	switch code {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		o.RetryAfter = retryAfter(h.retryAfter, o.StartedAt)
	}
}

// buffers are for reading bodies: pointers to arrays, so that neither taking one
// nor giving it back allocates.
var buffers = sync.Pool{New: func() any { return new([event.ExcerptLimit]byte) }}

// excerpt reads the body to its end, but no more than maxBody bytes, and returns
// how it begins and whether the end was seen. A body that is late, cut or endless
// changes nothing about the attempt, because the status has been given: what came of
// it is the excerpt.
func excerpt(body io.Reader) (kept []byte, whole bool) {
	buf := buffers.Get().(*[event.ExcerptLimit]byte)
	defer buffers.Put(buf)

	var err error
	begun := 0
	for err == nil && begun < len(buf) {
		var n int
		n, err = body.Read(buf[begun:])
		begun += n
	}
	kept = append(kept, buf[:begun]...)
	for total := begun; err == nil && total < maxBody; {
		var n int
		n, err = body.Read(buf[:min(len(buf), maxBody-total)])
		total += n
	}
	return kept, err == io.EOF
}

// answered puts a status in words. They are the standard's, not the receiver's.
func answered(code int) string {
	s := "answered " + strconv.Itoa(code)
	if text := http.StatusText(code); text != "" {
		s += " " + text
	}
	return s
}

func redirected(code int, location string) string {
	if location == "" {
		return answered(code) + ", which is not followed"
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
