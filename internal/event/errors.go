package event

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds of error that cross package borders. The API translates each to an
// HTTP status in one place; whoever returns one wraps it with what was tried.
var (
	// ErrNotFound: there is no such subscription, delivery or key.
	ErrNotFound = errors.New("not found")
	// ErrBadID: the text is not an id at all. To a caller it means the same as ErrNotFound.
	ErrBadID = errors.New("not an id")
	// ErrInactive: the subscription takes no events at present.
	ErrInactive = errors.New("subscription is not active")
	// ErrKeyReused: the Idempotency-Key was used before, with another body.
	ErrKeyReused = errors.New("idempotency key was used with another body")
	// ErrNotSettled: the delivery is pending, and a resend needs one that is settled.
	ErrNotSettled = errors.New("the delivery is still pending")
	// ErrDelivered: the delivery was delivered, and a resend would bring it twice.
	ErrDelivered = errors.New("the delivery was delivered already")
	// ErrChanged: the subscription has another revision than the caller says.
	ErrChanged = errors.New("the subscription has changed")
	// ErrUnauthorized: a signature that was needed is missing or wrong.
	ErrUnauthorized = errors.New("not authorized")
	// ErrSealed: what it takes the subscription's secrets for can't be done, because they
	// can't be opened.
	ErrSealed = errors.New("the subscription's secrets can't be opened")
	// ErrMalformed: the body is not what its content type says.
	ErrMalformed = errors.New("malformed body")
	// ErrBacklog: more is pending than may be. The call is refused so that nothing breaks.
	ErrBacklog = errors.New("too much is pending")
	// ErrUnavailable: the store can't work at present; the same call may succeed later.
	ErrUnavailable = errors.New("store is not available")
	// ErrFull is an ErrUnavailable: there is no free disk space, until the operator makes some.
	ErrFull = fmt.Errorf("%w: its disk is full", ErrUnavailable)
)

// FieldError names a field of the caller's input and what is wrong with it.
type FieldError struct {
	Field   string // as the caller spells it: "event_types[2]", "target_url"
	Message string // what was found, and what would be right
}

// InvalidError is input that was understood and can't be taken.
type InvalidError struct{ Fields []FieldError }

// Invalid makes an InvalidError about one field.
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
