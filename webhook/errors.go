package webhook

import "errors"

// The errors of this package. Functions wrap them with what was found and what to do, so test for
// them with [errors.Is]. No error ever contains a secret or the correct signature.
var (
	// ErrNoSecret means that there is no secret, or that one of them is empty.
	ErrNoSecret = errors.New("webhook: no secret")
	// ErrBadSecret means that a whsec_ secret does not decode to at least one
	// byte, or that there are more than 32 secrets.
	ErrBadSecret = errors.New("webhook: bad secret")
	// ErrBadOption means that an option of NewVerifier is not valid.
	ErrBadOption = errors.New("webhook: bad option")

	// ErrBadID means that a webhook-id is empty, is longer than 256 bytes, or contains a full stop
	// or anything except visible ASCII.
	ErrBadID = errors.New("webhook: bad webhook-id")
	// ErrBadTime means that the time passed to SignHeader is before 1970, or has more than the 15
	// digits that a Verifier accepts.
	ErrBadTime = errors.New("webhook: bad time")

	// ErrNoSignature means that the request has no signature headers that this Verifier accepts.
	ErrNoSignature = errors.New("webhook: request is not signed")
	// ErrMissingHeader means that a signature header is empty, or that some of the Standard
	// Webhooks headers are missing.
	ErrMissingHeader = errors.New("webhook: missing header")
	// ErrMalformedHeader means that a signature header can't be parsed.
	ErrMalformedHeader = errors.New("webhook: malformed header")
	// ErrBadSignature means that the headers are well-formed, but no signature matches.
	ErrBadSignature = errors.New("webhook: bad signature")
	// ErrTimestampTooOld means that the attempt is older than the tolerance.
	ErrTimestampTooOld = errors.New("webhook: timestamp too old")
	// ErrTimestampTooNew means that the attempt is further in the future than the tolerance allows.
	ErrTimestampTooNew = errors.New("webhook: timestamp too new")
	// ErrBodyTooLarge means that the body is larger than VerifyRequest may read.
	ErrBodyTooLarge = errors.New("webhook: body too large")
)
