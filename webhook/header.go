package webhook

import (
	"fmt"
	"net/http"
)

// The header names, in the canonical form that net/http uses as map keys. Header names are
// case-insensitive, so these are the standard's webhook-id, webhook-timestamp and
// webhook-signature.
const (
	// HeaderID identifies the event. It is the same for every attempt.
	HeaderID = "Webhook-Id"
	// HeaderTimestamp is the time of the attempt in whole Unix seconds.
	HeaderTimestamp = "Webhook-Timestamp"
	// HeaderSignature holds one or more entries "v1,<base64>" separated by
	// single spaces.
	HeaderSignature = "Webhook-Signature"
	// HeaderHubSignature holds "sha256=" and 64 hex digits.
	HeaderHubSignature = "X-Hub-Signature-256"
)

const (
	// Strangers write the headers that a Verifier reads, so their size and the work on them are
	// limited. Thirty-two entries fit easily into maxHeaderBytes, and no real rotation needs more.
	maxHeaderBytes = 4096
	maxEntries     = 32

	maxIDBytes = 256

	// Fifteen digits reach past the year 30 000 000 without an overflow in package time. They also
	// let a timestamp in milliseconds through to the tolerance check, whose error explains that
	// mistake.
	maxTimestampDigits = 15
	maxTimestamp       = 1e15 - 1

	standardPrefix = "v1,"
	hubPrefix      = "sha256="
)

// single returns the only value of a header. It refuses repeated headers: one program could check
// the first value, and the next program could use the second.
func single(h http.Header, name string) (string, error) {
	values := h[name]
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return "", fmt.Errorf("%w: %s is missing or empty; check that nothing between sender and receiver removes it", ErrMissingHeader, name)
	}
	if len(values) > 1 {
		return "", fmt.Errorf("%w: %s appears %d times; send it once", ErrMalformedHeader, name, len(values))
	}
	if len(values[0]) > maxHeaderBytes {
		return "", fmt.Errorf("%w: %s has %d bytes; send at most %d", ErrMalformedHeader, name, len(values[0]), maxHeaderBytes)
	}
	return values[0], nil
}

// checkID applies the same rule to senders and receivers. The standard warns that an id with a full
// stop lets an attacker move the boundaries between id, time and body. A byte that is not visible
// ASCII may not survive in a header.
func checkID(id string) error {
	if id == "" {
		return fmt.Errorf("%w: it is empty; give every event its own id", ErrBadID)
	}
	if len(id) > maxIDBytes {
		return fmt.Errorf("%w: it has %d bytes; use at most %d", ErrBadID, len(id), maxIDBytes)
	}
	for i := range len(id) {
		if c := id[i]; c == '.' || c <= ' ' || c > '~' {
			return fmt.Errorf("%w: byte %d is %q; use visible ASCII without full stops", ErrBadID, i+1, c)
		}
	}
	return nil
}
