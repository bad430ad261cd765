package client

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Problem is a response that is not a success.
type Problem struct {
	Status     int            // the HTTP status
	Code       string         // the kind of problem; stable: "invalid", "not_found", … ("" if the response is not from Hookferry)
	Title      string         // the name of the status
	Detail     string         // what is wrong and what to do
	Errors     []FieldProblem // what is wrong with each field, if the problem is in fields
	RetryAfter time.Duration  // how long the service asks to wait; 0 if it does not ask
}

// FieldProblem names a field of the request and what is wrong with it.
type FieldProblem struct {
	Field   string `json:"field"` // in the form of the API: "event_types[2]", "target_url"
	Message string `json:"message"`
}

// Error returns the problem as a sentence.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the service responded with %d %s", p.Status, p.Title)
	switch {
	case p.detailIsFirstField():
		b.WriteString(":") // the fields follow
	case p.Detail != "":
		b.WriteString(": " + p.Detail)
	}
	for i, e := range p.Errors {
		separator := "; "
		if i == 0 {
			separator = " "
		}
		b.WriteString(separator + e.Field + ": " + e.Message)
	}
	return b.String()
}

// detailIsFirstField reports whether Detail only repeats the first of Errors.
func (p *Problem) detailIsFirstField() bool {
	return len(p.Errors) > 0 && strings.HasPrefix(p.Detail, p.Errors[0].Field+": "+p.Errors[0].Message)
}

// maxDetail limits how much of a response is repeated.
const maxDetail = 2000

func readProblem(resp *http.Response, body []byte) *Problem {
	p := &Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode), RetryAfter: retryAfter(resp.Header)}
	var found struct {
		Title, Detail, Code string
		Errors              []FieldProblem
	}
	switch {
	case hasType(resp, "application/problem+json") && json.Unmarshal(body, &found) == nil:
		p.Code, p.Detail, p.Errors = found.Code, clip(found.Detail), found.Errors
		if found.Title != "" {
			p.Title = clip(found.Title)
		}
	case resp.Header.Get("Location") != "":
		p.Detail = "it redirects to " + strconv.Quote(clip(resp.Header.Get("Location"))) + ", which is not followed; correct the service's URL"
	default:
		p.Detail = "the response is not from Hookferry; check the service's URL, and proxies in between"
	}
	return p
}

func hasType(resp *http.Response, want string) bool {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && media == want
}

// retryAfter parses both forms of the header: seconds and a date.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// clip shortens text from an unknown server. It is a copy, because this public package imports
// nothing that other modules can't import.
func clip(s string) string {
	if len(s) <= maxDetail {
		return s
	}
	return strings.ToValidUTF8(s[:maxDetail], "") + "…"
}
