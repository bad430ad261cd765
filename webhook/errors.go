package webhook

import "errors"

// The errors of this package. Functions wrap them with what was found and what
// to do about it, so test for them with [errors.Is]. No error ever holds a secret
// or the signature that would have been right.
var (
	// ErrNoSecret means that no secret was given, or one of them is empty.
	ErrNoSecret = errors.New("webhook: no secret")
	// ErrBadSecret means that a whsec_ secret does not decode to at least one
	// byte, or that there are more than 32 secrets.
	ErrBadSecret = errors.New("webhook: bad secret")
	// ErrBadOption means that an option given to NewVerifier cannot be used.
	ErrBadOption = errors.New("webhook: bad option")

	// ErrBadID means that a webhook-id is empty, is longer than 256 bytes, or
	// holds a full stop or anything but visible ASCII.
	ErrBadID = errors.New("webhook: bad webhook-id")
	// ErrBadTime means that the time given to SignHeader lies before 1970 or
	// beyond the 15 digits a Verifier reads.
	ErrBadTime = errors.New("webhook: bad time")

	// ErrNoSignature means that the request has no signature headers that this
	// Verifier accepts.
	ErrNoSignature = errors.New("webhook: request is not signed")
	// ErrMissingHeader means that a signature header is empty, or that some but
	// not all of the Standard Webhooks headers are there.
	ErrMissingHeader = errors.New("webhook: missing header")
	// ErrMalformedHeader means that a signature header cannot be read.
	ErrMalformedHeader = errors.New("webhook: malformed header")
	// ErrBadSignature means that the headers can be read and no signature matches.
	ErrBadSignature = errors.New("webhook: bad signature")
	// ErrTimestampTooOld means that the attempt is older than the tolerance.
	ErrTimestampTooOld = errors.New("webhook: timestamp too old")
	// ErrTimestampTooNew means that the attempt lies further ahead than the
	// tolerance.
	ErrTimestampTooNew = errors.New("webhook: timestamp too new")
	// ErrBodyTooLarge means that the body is larger than VerifyRequest may read.
	ErrBodyTooLarge = errors.New("webhook: body too large")
)
