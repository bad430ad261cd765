package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
)

// readHub reads X-Hub-Signature-256. It accepts hex digits in either case, because some senders use
// upper case.
func readHub(h http.Header) (claim, error) {
	value, err := single(h, HeaderHubSignature)
	if err != nil {
		return claim{}, err
	}
	digits, ok := strings.CutPrefix(value, hubPrefix)
	if !ok {
		return claim{}, fmt.Errorf("%w: %s does not start with %q; send that and the HMAC-SHA256 in hex (older sha1 signatures are not supported)", ErrMalformedHeader, HeaderHubSignature, hubPrefix)
	}
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != sha256.Size {
		return claim{}, fmt.Errorf("%w: %s has %d bytes after %q; send %d hex digits", ErrMalformedHeader, HeaderHubSignature, len(digits), hubPrefix, hex.EncodedLen(sha256.Size))
	}
	return claim{hub: sum}, nil
}

func (v *Verifier) checkHub(got, body []byte) error {
	want := make([]byte, 0, sha256.Size)
	for _, k := range v.hub {
		want = k.sum(want[:0], nil, body)
		if hmac.Equal(got, want) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s matches none of %d secrets; check that both sides share a secret (its text is the key, a whsec_ prefix included) and that the body is the bytes as they arrived", ErrBadSignature, HeaderHubSignature, len(v.hub))
}
