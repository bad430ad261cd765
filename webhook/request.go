package webhook

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// VerifyRequest reads the body of a request to a server, verifies it like [Verifier.Verify], and
// returns it. It consumes r.Body.
//
// It reads at most maxBytes, which must be more than 0, and fails with [ErrBodyTooLarge] if there
// is more; respond to that with 413. It refuses headers that can't be valid before it reads any of
// the body. It wraps an error from reading the body. If there is an error, the body is nil.
func (v *Verifier) VerifyRequest(r *http.Request, maxBytes int64) (body []byte, err error) {
	c, err := v.readClaim(r.Header)
	if err != nil {
		return nil, err
	}
	body, err = readBody(r, maxBytes)
	if err != nil {
		return nil, err
	}
	if err := v.checkClaim(c, body); err != nil {
		return nil, err
	}
	return body, nil
}

func readBody(r *http.Request, maxBytes int64) ([]byte, error) {
	if maxBytes <= 0 {
		return nil, fmt.Errorf("%w: the limit is %d bytes; give more than 0", ErrBodyTooLarge, maxBytes)
	}
	if r.ContentLength > maxBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, and at most %d are allowed; send less or raise the limit", ErrBodyTooLarge, r.ContentLength, maxBytes)
	}
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBytes))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, fmt.Errorf("%w: it has more than %d bytes; send less or raise the limit", ErrBodyTooLarge, tooLarge.Limit)
	}
	if err != nil {
		return nil, fmt.Errorf("webhook: read the body: %w", err)
	}
	return body, nil
}
