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

// Problem is the body of every error response (RFC 9457).
type Problem struct {
	Type   string         `json:"type" doc:"urn:hookferry:problem: followed by the code."`
	Title  string         `json:"title" doc:"The name of the status."`
	Status int            `json:"status" doc:"The HTTP status."`
	Detail string         `json:"detail" doc:"What is wrong and what to do, for people. For invalid input, the first entry of errors."`
	Code   string         `json:"code" doc:"The kind of problem, for programs. Codes are stable."`
	Errors []FieldProblem `json:"errors,omitempty" nullable:"false" doc:"What is wrong with each field, if the problem is in fields."`
}

// FieldProblem names a field of the request and what is wrong with it.
type FieldProblem struct {
	Field   string `json:"field" doc:"A field of the body (event_types[2], headers.X-Team), a query parameter, a header, or body for the whole body."`
	Message string `json:"message"`
}

func (p Problem) Error() string { return p.Detail }

func newProblem(status int, code, detail string) Problem {
	return Problem{Type: "urn:hookferry:problem:" + code, Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
}

// maxFieldProblems limits the size of a response: a body may contain a hundred thousand unknown
// names.
const maxFieldProblems = 32

// withFields adds fields in the given order.
func (p Problem) withFields(fields ...event.FieldError) Problem {
	if left := len(fields) - maxFieldProblems; left > 0 {
		fields = append(slices.Clone(fields[:maxFieldProblems]), event.FieldError{Field: "body", Message: fmt.Sprintf("has %d more errors", left)})
	}
	for _, f := range fields {
		p.Errors = append(p.Errors, FieldProblem{Field: f.Field, Message: f.Message})
	}
	return p
}

// invalidProblem puts the first field into the detail, and all of them into errors. The caller
// sorts the fields, so that the same request always gets the same response.
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

const idLooksLike = "an id looks like 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"

// notAnID returns a message about a text from the path or the query that is not an id.
func notAnID(text string) string {
	return fmt.Sprintf("%q is not an id; %s", event.Clip(text, event.MaxQuoted), idLooksLike)
}

// problemOf translates an error to the response for the caller. It is the only place where an error
// becomes an HTTP status. known is false for an error that is not one of the expected kinds.
func problemOf(err error) (p Problem, known bool) {
	var invalid *event.InvalidError
	switch {
	case errors.As(err, &p):
		return p, true
	case errors.As(err, &invalid):
		return invalidProblem(invalid.Fields...), true
	case errors.Is(err, event.ErrTenantNotFound):
		return newProblem(http.StatusNotFound, "tenant_not_found", "No such tenant: "+withoutPrefix(err, event.ErrTenantNotFound)+". It may have been deleted. PUT /tenants/{tenant} creates one, and so does a subscription that names it."), true
	case errors.Is(err, event.ErrNotFound):
		return newProblem(http.StatusNotFound, "not_found", "Nothing has this id. It may have been deleted, or it expired."), true
	case errors.Is(err, event.ErrBadID):
		return newProblem(http.StatusNotFound, "not_found", "This is not an id; "+idLooksLike), true
	case errors.Is(err, event.ErrMalformed):
		return malformedBody("body", withoutPrefix(err, event.ErrMalformed)), true
	case errors.Is(err, event.ErrUnauthorized):
		return newProblem(http.StatusUnauthorized, "signature_invalid",
			"The request's signature is missing, too old or wrong: sign the bytes of the body with the subscription's secret (webhook-signature or X-Hub-Signature-256)."), true
	case errors.Is(err, event.ErrInactive):
		return newProblem(http.StatusConflict, "subscription_inactive",
			"The subscription does not accept events: "+withoutPrefix(err, event.ErrInactive)+`. To activate it, PATCH /subscriptions/{id} with {"is_active": true}.`), true
	case errors.Is(err, event.ErrKeyReused):
		return newProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "This Idempotency-Key was already used with another body.").
			withFields(event.FieldError{Field: "Idempotency-Key", Message: "was already used with another body; use a new key for a new event"}), true
	case errors.Is(err, event.ErrUIDTaken):
		return newProblem(http.StatusConflict, "uid_taken", "Another subscription of the tenant has this uid. Nothing was changed; choose another uid, or change that subscription.").
			withFields(event.FieldError{Field: "uid", Message: "is the uid of another subscription of the tenant"}), true
	case errors.Is(err, event.ErrBuiltIn):
		return newProblem(http.StatusConflict, "tenant_built_in", "The tenants default and hookferry always exist and can't be deleted."), true
	case errors.Is(err, event.ErrRateLimited): // before ErrTenantLimit, which it wraps
		return newProblem(http.StatusTooManyRequests, "rate_limited", "Nothing was stored: "+withoutPrefix(err, event.ErrRateLimited)+". Try again later."), true
	case errors.Is(err, event.ErrTenantLimit):
		return newProblem(http.StatusUnprocessableEntity, "tenant_limit", "Nothing was changed: "+withoutPrefix(err, event.ErrTenantLimit)+"."), true
	case errors.Is(err, event.ErrNotTaken):
		return newProblem(http.StatusServiceUnavailable, "not_taken", "Nothing of this event was stored, because the batch took too long or made too many deliveries before its turn. Publish it again, in another batch."), true
	case errors.Is(err, event.ErrBacklog):
		return newProblem(http.StatusTooManyRequests, "backlog_full",
			"The backlog is full: "+withoutPrefix(err, event.ErrBacklog)+". Nothing was stored; try again later."), true
	case errors.Is(err, event.ErrSealed):
		return newProblem(http.StatusServiceUnavailable, "secrets_sealed", event.Clip("Nothing was done: "+withoutPrefix(err, event.ErrSealed)+".", 600)), true
	case errors.Is(err, event.ErrFull):
		return newProblem(http.StatusInsufficientStorage, "storage_full", "Nothing was stored: the disk that holds the database is full. The operator must free disk space; the service then continues by itself. Accepted events are not lost. Try again later."), true
	case errors.Is(err, event.ErrUnavailable), errors.Is(err, event.ErrStale):
		return newProblem(http.StatusServiceUnavailable, "unavailable", "The database can't be reached or written right now. Try again. The event may have been stored anyway; an Idempotency-Key keeps it from being stored twice."), true
	}
	return internalProblem(), false
}

// withoutPrefix returns the text of an error without that of its kind.
func withoutPrefix(err, kind error) string {
	return event.Clip(strings.TrimPrefix(err.Error(), kind.Error()+": "), 500)
}

// fail responds to a request that ended with an error.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, known := problemOf(err)
	if !known {
		a.logFailed(r, err)
	}
	a.refuse(w, p)
}

// logFailed logs an error that is not the caller's, unless the caller has gone.
func (a *api) logFailed(r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return
	}
	a.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", event.Clip(r.URL.Path, 200), "error", err)
}

// refuse responds with a problem. It counts the problem unless it is the response to a probe.
func (a *api) refuse(w http.ResponseWriter, p Problem) {
	if a.Refused != nil && p.Code != codeNotReady {
		a.Refused(p.Status)
	}
	writeProblem(w, p)
}

// Values of Retry-After, in seconds: retryAfter for what may pass at any moment, one for the next
// event that a tenant's rate permits, and retryAfterFull for a full backlog or disk, which takes
// longer.
const (
	retryAfter     = "2"
	retryAfterRate = "1"
	retryAfterFull = "30"
	challenge      = `Bearer realm="hookferry"`
)

func writeProblem(w http.ResponseWriter, p Problem) {
	h := w.Header()
	switch {
	case p.Code == "rate_limited":
		h.Set("Retry-After", retryAfterRate)
	case p.Status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenge)
	case p.Status == http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter)
	case p.Status == http.StatusTooManyRequests, p.Status == http.StatusInsufficientStorage:
		h.Set("Retry-After", retryAfterFull)
	case p.Status == http.StatusRequestTimeout:
		h.Set("Connection", "close")
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	body, _ := encode(p) // strings and numbers can always be encoded
	w.WriteHeader(p.Status)
	w.Write(append(body, '\n'))
}
