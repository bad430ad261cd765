package event

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds of errors that packages return to each other. The API translates each to an HTTP
// status in one place. Code that returns one wraps it with what was tried.
var (
	// ErrNotFound: there is no such subscription, delivery, tenant or key.
	ErrNotFound = errors.New("not found")
	// ErrTenantNotFound is an ErrNotFound: there is no tenant with the id that the caller names.
	ErrTenantNotFound = fmt.Errorf("%w: tenant", ErrNotFound)
	// ErrBadID: the text is not an id. To a caller it means the same as ErrNotFound.
	ErrBadID = errors.New("not an id")
	// ErrInactive: the subscription does not accept events at present.
	ErrInactive = errors.New("subscription is not active")
	// ErrKeyReused: the Idempotency-Key was used before, with another body.
	ErrKeyReused = errors.New("idempotency key was used with another body")
	// ErrNotSettled: the delivery is pending, so it can't be resent.
	ErrNotSettled = errors.New("the delivery is still pending")
	// ErrDelivered: the delivery was delivered, so a resend would deliver it twice.
	ErrDelivered = errors.New("the delivery was already delivered")
	// ErrChanged: the subscription no longer has the revision that the caller expects.
	ErrChanged = errors.New("the subscription has changed")
	// ErrStale: the tenant's subscriptions, or the registered event types, have changed since the
	// event was matched.
	ErrStale = errors.New("subscriptions or event types have changed")
	// ErrUIDTaken: another subscription of the tenant has the uid.
	ErrUIDTaken = errors.New("the uid is taken")
	// ErrTenantLimit: the tenant has reached one of its limits.
	ErrTenantLimit = errors.New("the tenant's limit is reached")
	// ErrRateLimited is an ErrTenantLimit: the tenant publishes faster than its limit permits. The
	// same call may succeed a moment later.
	ErrRateLimited = fmt.Errorf("%w: events a second", ErrTenantLimit)
	// ErrNotTaken: the batch had reached its limits before this event's turn. Nothing of it was
	// stored.
	ErrNotTaken = errors.New("not taken")
	// ErrBuiltIn: the tenant always exists and can't be deleted.
	ErrBuiltIn = errors.New("the tenant can't be deleted")
	// ErrUnauthorized: a required signature is missing or wrong.
	ErrUnauthorized = errors.New("not authorized")
	// ErrSealed: the call needs the subscription's secrets, and they can't be decrypted.
	ErrSealed = errors.New("the subscription's secrets can't be decrypted")
	// ErrMalformed: the body does not match its content type.
	ErrMalformed = errors.New("malformed body")
	// ErrBacklog: the backlog is full, so nothing more is accepted at present.
	ErrBacklog = errors.New("the backlog is full")
	// ErrUnavailable: the store is unavailable at present. The same call may succeed later.
	ErrUnavailable = errors.New("the store is unavailable")
	// ErrFull is an ErrUnavailable: the disk is full until the operator frees disk space.
	ErrFull = fmt.Errorf("%w: its disk is full", ErrUnavailable)
)

// FieldError says what is wrong with one field of the caller's input.
type FieldError struct {
	Field   string // as the caller spells it: "event_types[2]", "target_url"
	Message string // what was found and what is expected; it follows the field's name
}

// InvalidError is input that was understood and is not valid.
type InvalidError struct{ Fields []FieldError }

// Invalid returns an InvalidError about one field.
func Invalid(field, message string) *InvalidError {
	return &InvalidError{Fields: []FieldError{{Field: field, Message: message}}}
}

func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Field + ": " + f.Message
	}
	return strings.Join(parts, "; ")
}
