package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// readStandard reads the three headers and makes all checks that don't need the body.
func (v *Verifier) readStandard(h http.Header) (c claim, err error) {
	if c.id, err = single(h, HeaderID); err != nil {
		return claim{}, err
	}
	if c.timestamp, err = single(h, HeaderTimestamp); err != nil {
		return claim{}, err
	}
	if c.signatures, err = single(h, HeaderSignature); err != nil {
		return claim{}, err
	}
	if err := checkID(c.id); err != nil {
		return claim{}, err
	}
	if err := v.checkTimestamp(c.timestamp); err != nil {
		return claim{}, err
	}
	return c, nil
}

func (v *Verifier) checkTimestamp(text string) error {
	unix, ok := parseTimestamp(text)
	if !ok {
		// Twenty bytes show a date such as 2026-01-02T15:04:05Z in full.
		return fmt.Errorf("%w: %s is %.20q; send whole Unix seconds, digits only", ErrMalformedHeader, HeaderTimestamp, text)
	}
	now, at := v.clock(), time.Unix(unix, 0)
	if age := now.Sub(at); age > v.tolerance {
		return fmt.Errorf("%w: it is %s in the past, and at most %s is allowed; check both clocks, and sign every retry again", ErrTimestampTooOld, age.Round(time.Millisecond), v.tolerance)
	}
	if ahead := at.Sub(now); ahead > v.tolerance {
		return fmt.Errorf("%w: it is %s in the future, and at most %s is allowed; check both clocks, and that it is in seconds, not milliseconds", ErrTimestampTooNew, ahead.Round(time.Millisecond), v.tolerance)
	}
	return nil
}

// parseTimestamp is stricter than strconv, which accepts signs.
func parseTimestamp(text string) (unix int64, ok bool) {
	if len(text) > maxTimestampDigits {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	unix, err := strconv.ParseInt(text, 10, 64)
	return unix, err == nil
}

// checkStandard compares texts, not decoded bytes: an HMAC has exactly one base64 text, but a
// decoder would accept several.
func (v *Verifier) checkStandard(c claim, body []byte) error {
	entries := standardEntries(c.signatures)
	if len(entries) == 0 {
		return fmt.Errorf("%w: %s has no v1 entry among its first %d; send one that starts with %q", ErrBadSignature, HeaderSignature, maxEntries, standardPrefix)
	}
	content := appendContent(nil, c.id, c.timestamp)
	sum := make([]byte, 0, sha256.Size)
	want := make([]byte, base64.StdEncoding.EncodedLen(sha256.Size))
	for _, k := range v.standard {
		sum = k.sum(sum[:0], content, body)
		base64.StdEncoding.Encode(want, sum)
		for _, entry := range entries {
			if hmac.Equal([]byte(entry), want) {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: %d v1 entries match none of %d secrets; check that both sides share a secret and that the body is the bytes as they arrived", ErrBadSignature, len(entries), len(v.standard))
}

// standardEntries returns the base64 texts of the v1 entries. Entries of other versions are
// ignored, but count towards the limit.
func standardEntries(header string) []string {
	var entries []string
	rest, more := header, true
	for n := 0; more && n < maxEntries; n++ {
		var entry string
		entry, rest, more = strings.Cut(rest, " ")
		if text, ok := strings.CutPrefix(entry, standardPrefix); ok {
			entries = append(entries, text)
		}
	}
	return entries
}
