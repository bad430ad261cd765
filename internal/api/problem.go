package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// Problem is every error answer (RFC 9457).
type Problem struct {
	Type   string         `json:"type" doc:"urn:hookferry:problem: and the code."`
	Title  string         `json:"title" doc:"The status in words."`
	Status int            `json:"status" doc:"The HTTP status."`
	Detail string         `json:"detail" doc:"What was found and what to do, for a person; of invalid input, the first field of errors."`
	Code   string         `json:"code" doc:"The kind of problem, for programs. Codes are stable."`
	Errors []FieldProblem `json:"errors,omitempty" nullable:"false" doc:"What is wrong with each field, where the problem lies in fields."`
}

// FieldProblem names a field of the request and what is wrong with it.
type FieldProblem struct {
	Field   string `json:"field" doc:"A field of the body (event_types[2], headers.X-Team), a query parameter or a header; body is the body as a whole."`
	Message string `json:"message"`
}

func (p Problem) Error() string { return p.Detail }

func newProblem(status int, code, detail string) Problem {
	return Problem{Type: "urn:hookferry:problem:" + code, Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
}

// maxFieldProblems bounds an answer: a body may hold a hundred thousand unknown names.
const maxFieldProblems = 32

// withFields adds the fields, in the order in which they are given.
func (p Problem) withFields(fields ...event.FieldError) Problem {
	if left := len(fields) - maxFieldProblems; left > 0 {
		fields = append(slices.Clone(fields[:maxFieldProblems]), event.FieldError{Field: "body", Message: fmt.Sprintf("has %d more faults like these", left)})
	}
	for _, f := range fields {
		p.Errors = append(p.Errors, FieldProblem{Field: f.Field, Message: f.Message})
	}
	return p
}

// invalidProblem names the first field in its detail, and each in errors. Whoever gathers the
// fields puts them into an order that is the same every time.
func invalidProblem(fields ...event.FieldError) Problem {
	detail := "The request was understood and can't be accepted."
	if len(fields) > 0 {
		detail = fields[0].Field + ": " + fields[0].Message
	}
	if more := len(fields) - 1; more > 0 {
		detail += fmt.Sprintf(" (and %d more)", more)
	}
	return newProblem(http.StatusUnprocessableEntity, "invalid", detail).withFields(fields...)
}

func malformedBody(field, message string) Problem {
	return newProblem(http.StatusBadRequest, "malformed_body", "The body can't be read: "+message+".").
		withFields(event.FieldError{Field: field, Message: message})
}

func internalProblem() Problem {
	return newProblem(http.StatusInternalServerError, "internal_error", "Something went wrong inside Hookferry; its log says what.")
}

const idsLook = "an id looks like 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"

// notAnID says of a text from the path or the query that it is not an id.
func notAnID(text string) string {
	return fmt.Sprintf("%q is not an id; %s", event.Clip(text, event.MaxQuoted), idsLook)
}

// problemOf translates every error to what the caller is told: the one place
// where an error becomes an HTTP status. known is false for an error that nobody
// foresaw.
func problemOf(err error) (p Problem, known bool) {
	var invalid *event.InvalidError
	switch {
	case errors.As(err, &p):
		return p, true
	case errors.As(err, &invalid):
		return invalidProblem(invalid.Fields...), true
	case errors.Is(err, event.ErrNotFound):
		return newProblem(http.StatusNotFound, "not_found", "Nothing with this id. It may have been deleted, or it expired."), true
	case errors.Is(err, event.ErrBadID):
		return newProblem(http.StatusNotFound, "not_found", "This is not an id; "+idsLook), true
	case errors.Is(err, event.ErrMalformed):
		return malformedBody("body", withoutPrefix(err, event.ErrMalformed)), true
	case errors.Is(err, event.ErrUnauthorized):
		return newProblem(http.StatusUnauthorized, "signature_invalid",
			"The request's signature is missing, too old or wrong: sign the body's bytes with the subscription's secret (webhook-signature or X-Hub-Signature-256)."), true
	case errors.Is(err, event.ErrInactive):
		return newProblem(http.StatusConflict, "subscription_inactive",
			"The subscription takes no events at present: "+withoutPrefix(err, event.ErrInactive)+`. A PATCH of /subscriptions/{id} with {"is_active": true} activates it.`), true
	case errors.Is(err, event.ErrKeyReused):
		return newProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "This Idempotency-Key was used before, with another body.").
			withFields(event.FieldError{Field: "Idempotency-Key", Message: "stands for another body; use a new key for a new event"}), true
	case errors.Is(err, event.ErrBacklog):
		return newProblem(http.StatusTooManyRequests, "backlog_full",
			"Nothing was stored, because too much waits to be delivered already: "+withoutPrefix(err, event.ErrBacklog)+". Send it again later."), true
	case errors.Is(err, event.ErrSealed):
		return newProblem(http.StatusServiceUnavailable, "secrets_sealed", event.Clip("Nothing was done: "+withoutPrefix(err, event.ErrSealed)+".", 600)), true
	case errors.Is(err, event.ErrFull):
		return newProblem(http.StatusInsufficientStorage, "storage_full", "Nothing was stored: the disk that holds the database is full. Whoever runs the service has to make room; it then goes on by itself, and what was acknowledged before is not lost. Try again later."), true
	case errors.Is(err, event.ErrUnavailable):
		return newProblem(http.StatusServiceUnavailable, "unavailable", "The database can't be reached or written at present. Try again; with an Idempotency-Key nothing is taken twice, should it have been stored all the same."), true
	}
	return internalProblem(), false
}

// withoutPrefix is what an error says beyond the kind of error it is.
func withoutPrefix(err, kind error) string {
	return event.Clip(strings.TrimPrefix(err.Error(), kind.Error()+": "), 500)
}

// fail answers a request that ended with an error.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, known := problemOf(err)
	if gone := errors.Is(err, context.Canceled) && r.Context().Err() != nil; !known && !gone {
		a.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", event.Clip(r.URL.Path, 200), "error", err)
	}
	a.refuse(w, p)
}

// refuse answers with a problem, and counts it, unless it is the response to a probe.
func (a *api) refuse(w http.ResponseWriter, p Problem) {
	if a.Refused != nil && p.Code != codeNotReady {
		a.Refused(p.Status)
	}
	writeProblem(w, p)
}

// How long a caller is asked to wait, in seconds: for what may pass at any moment, and
// for room, of a backlog or on a disk, which takes its time.
const (
	retryAfter     = "2"
	retryAfterRoom = "30"
	challenge      = `Bearer realm="hookferry"`
)

func writeProblem(w http.ResponseWriter, p Problem) {
	h := w.Header()
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenge)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter)
	case http.StatusTooManyRequests, http.StatusInsufficientStorage:
		h.Set("Retry-After", retryAfterRoom)
	case http.StatusRequestTimeout:
		h.Set("Connection", "close")
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	body, _ := encode(p) // strings and numbers: nothing that could fail
	w.WriteHeader(p.Status)
	w.Write(append(body, '\n'))
}
