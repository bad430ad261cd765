package send

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/hookferry/hookferry/internal/event"
)

// judge writes to the Outcome what a status code means.
func judge(o *event.Outcome, code int, h *header) {
	o.StatusCode = code
	switch {
	case code >= 200 && code <= 299:
	case code < 100:
		o.StatusCode = 0
		o.Code, o.Error = event.CodeBadResponse, "the response has a status code below 100, which HTTP does not define"
	case code >= 300 && code <= 399:
		o.Code, o.Error = event.CodeRedirect, redirected(code, h.location)
	case code == http.StatusGone:
		o.Code, o.Error = event.CodeGone, responded(code)
	default:
		o.Code, o.Error = event.CodeStatus, responded(code)
	}
	switch code {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		o.RetryAfter = retryAfter(h.retryAfter, o.StartedAt)
	}
}

// buffers are for reading bodies. They are pointers to arrays, so that neither Get nor Put
// allocates.
var buffers = sync.Pool{New: func() any { return new([event.ExcerptLimit]byte) }}

// excerpt reads at most maxBody bytes of the body. It returns the beginning of the body
// and whether it has read the whole body. A body that is late, truncated or endless does not
// change the outcome, which the status line has decided: the excerpt is what was received.
func excerpt(body io.Reader) (kept []byte, whole bool) {
	buf := buffers.Get().(*[event.ExcerptLimit]byte)
	defer buffers.Put(buf)

	var err error
	filled := 0
	for err == nil && filled < len(buf) {
		var n int
		n, err = body.Read(buf[filled:])
		filled += n
	}
	kept = append(kept, buf[:filled]...)
	for total := filled; err == nil && total < maxBody; {
		var n int
		n, err = body.Read(buf[:min(len(buf), maxBody-total)])
		total += n
	}
	return kept, err == io.EOF
}

// responded describes a status code. It uses the standard's reason phrase, not the endpoint's.
func responded(code int) string {
	s := "responded with " + strconv.Itoa(code)
	if text := http.StatusText(code); text != "" {
		s += " " + text
	}
	return s
}

func redirected(code int, location string) string {
	if location == "" {
		return responded(code) + "; redirects are not followed"
	}
	u, err := url.Parse(location)
	if err != nil {
		return "redirect not followed: its Location is not a valid URL"
	}
	// The query and the user part may be confidential.
	query := ""
	if u.RawQuery != "" {
		query = "?…"
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return "redirect to " + quote(u.String()) + query + " not followed"
}
