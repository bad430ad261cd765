package webhook

import (
	"fmt"
	"net/http"
)

// The header names, in the canonical form net/http uses as map keys. On the wire
// header names are case-insensitive, so these are the standard's webhook-id,
// webhook-timestamp and webhook-signature.
const (
	// HeaderID names the event. It stays the same when an attempt is retried.
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
	// Strangers write the headers a Verifier reads, so their size and the work
	// spent on them are bounded. Thirty-two entries fit in maxHeaderBytes with
	// room to spare, and no honest rotation needs more.
	maxHeaderBytes = 4096
	maxEntries     = 32

	maxIDBytes = 256

	// Fifteen digits reach past the year 30 000 000 and stay clear of overflow in
	// package time; they also let a timestamp in milliseconds through to the
	// tolerance check, whose error explains that mistake.
	maxTimestampDigits = 15
	maxTimestamp       = 1e15 - 1

	standardPrefix = "v1,"
	hubPrefix      = "sha256="
)

// single returns the only value of a header. Repeated headers are refused: one
// program could check the first value and the next one use the second.
func single(h http.Header, name string) (string, error) {
	values := h[name]
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return "", fmt.Errorf("%w: %s is missing or empty; check that nothing between sender and receiver strips it", ErrMissingHeader, name)
	}
	if len(values) > 1 {
		return "", fmt.Errorf("%w: %s is there %d times; send it once", ErrMalformedHeader, name, len(values))
	}
	if len(values[0]) > maxHeaderBytes {
		return "", fmt.Errorf("%w: %s has %d bytes; send at most %d", ErrMalformedHeader, name, len(values[0]), maxHeaderBytes)
	}
	return values[0], nil
}

// checkID holds senders and receivers to the same rule. The standard warns that
// an id with a full stop lets an attacker move the borders between id, time and
// body, and a byte that is not visible ASCII may not survive as a header.
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
