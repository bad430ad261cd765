package webhook

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Signer writes signature headers. Create it once with [NewSigner] and share it: it is safe for
// concurrent use.
type Signer struct {
	standard []*key
	hub      *key
	buffers  sync.Pool // of *buffers
}

// buffers is the working memory of one call to SignHeader.
type buffers struct {
	content []byte // "id.timestamp.", which the standard signs before the body
	headers []byte // the three values that SignHeader writes, one after another
	sum     []byte
}

// NewSigner returns a Signer for 1 to 32 secrets, newest first. The package comment explains how a
// secret becomes a key.
//
// It fails with [ErrNoSecret] if there is no secret or one is empty, and with [ErrBadSecret] if a
// whsec_ secret can't be decoded or there are too many.
func NewSigner(secrets ...string) (*Signer, error) {
	standard, hub, err := newKeys(secrets)
	if err != nil {
		return nil, err
	}
	s := &Signer{standard: standard, hub: hub[0]}
	s.buffers.New = func() any {
		return &buffers{sum: make([]byte, 0, sha256.Size)}
	}
	return s, nil
}

// SignHeader sets the headers that sign one attempt to deliver body, and replaces any that h has:
//
//   - [HeaderID]: id, which is the same for every attempt of an event.
//   - [HeaderTimestamp]: at in whole Unix seconds, the time of this attempt.
//   - [HeaderSignature]: one "v1,<base64>" entry for each secret, newest first,
//     as in Standard Webhooks 1.0.0.
//   - [HeaderHubSignature]: "sha256=<hex>" for the newest secret only.
//
// The body must be sent unchanged. SignHeader does not keep it. h must not be nil.
//
// It fails with [ErrBadID] unless id is 1 to 256 bytes of visible ASCII without full stops (the
// standard joins id, time and body with them). It fails with [ErrBadTime] if at is before 1970, as
// the zero time is, or has more than 15 digits in seconds. If it fails, it does not change h.
func (s *Signer) SignHeader(h http.Header, id string, at time.Time, body []byte) error {
	if err := checkID(id); err != nil {
		return err
	}
	unix := at.Unix()
	if unix < 0 || unix > maxTimestamp {
		return fmt.Errorf("%w: Unix time %d; give the time of this attempt", ErrBadTime, unix)
	}

	b := s.buffers.Get().(*buffers)
	defer s.buffers.Put(b)

	b.headers = strconv.AppendInt(b.headers[:0], unix, 10)
	timestampEnd := len(b.headers)
	b.content = appendContent(b.content[:0], id, b.headers)

	for i, k := range s.standard {
		if i > 0 {
			b.headers = append(b.headers, ' ')
		}
		b.sum = k.sum(b.sum[:0], b.content, body)
		b.headers = append(b.headers, standardPrefix...)
		b.headers = base64.StdEncoding.AppendEncode(b.headers, b.sum)
	}
	signatureEnd := len(b.headers)

	b.sum = s.hub.sum(b.sum[:0], nil, body)
	b.headers = append(b.headers, hubPrefix...)
	b.headers = hex.AppendEncode(b.headers, b.sum)

	// One string and one slice back all four headers, to save allocations. The slice of each header
	// has capacity 1, so that an Add by the caller copies it instead of overwriting the next
	// header.
	text := string(b.headers)
	values := []string{id, text[:timestampEnd], text[timestampEnd:signatureEnd], text[signatureEnd:]}
	h[HeaderID] = values[0:1:1]
	h[HeaderTimestamp] = values[1:2:2]
	h[HeaderSignature] = values[2:3:3]
	h[HeaderHubSignature] = values[3:4:4]
	return nil
}

// appendContent appends the text that the standard signs before the body.
func appendContent[T string | []byte](dst []byte, id string, timestamp T) []byte {
	dst = append(dst, id...)
	dst = append(dst, '.')
	dst = append(dst, timestamp...)
	return append(dst, '.')
}
