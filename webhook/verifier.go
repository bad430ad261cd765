package webhook

import (
	"fmt"
	"net/http"
	"time"
)

// DefaultTolerance is how far a timestamp may lie from the receiver's clock, in
// either direction, unless [WithTolerance] says otherwise.
const DefaultTolerance = 5 * time.Minute

// Verifier checks signature headers. Make it once with [NewVerifier] and share
// it: it is safe for concurrent use.
type Verifier struct {
	standard, hub []*key
	tolerance     time.Duration
	clock         func() time.Time
	standardOnly  bool
}

// Option changes a [Verifier] while [NewVerifier] makes it.
type Option func(*Verifier)

// WithTolerance sets how far a timestamp may lie from the clock, in either
// direction. It must be more than 0; the default is [DefaultTolerance].
func WithTolerance(d time.Duration) Option {
	return func(v *Verifier) { v.tolerance = d }
}

// WithClock replaces [time.Now] as the receiver's clock, for tests and for
// checking stored requests. It must be safe for concurrent use.
func WithClock(now func() time.Time) Option {
	return func(v *Verifier) { v.clock = now }
}

// StandardOnly refuses requests that carry X-Hub-Signature-256 alone. Use it
// whenever the sender signs both ways, as a [Signer] does: otherwise somebody who
// has recorded one request can drop its Standard Webhooks headers and send the
// rest again at any time.
func StandardOnly() Option {
	return func(v *Verifier) { v.standardOnly = true }
}

// NewVerifier returns a Verifier that accepts a signature made with any one of 1
// to 32 secrets. See the package comment for how a secret becomes a key.
//
// It fails with [ErrNoSecret] when there is none or one is empty, with
// [ErrBadSecret] when a whsec_ secret cannot be decoded or there are too many,
// and with [ErrBadOption] for a tolerance of 0 or less or a nil clock.
func NewVerifier(secrets []string, opts ...Option) (*Verifier, error) {
	standard, hub, err := newKeys(secrets)
	if err != nil {
		return nil, err
	}
	v := &Verifier{standard: standard, hub: hub, tolerance: DefaultTolerance, clock: time.Now}
	for _, opt := range opts {
		opt(v)
	}
	if v.tolerance <= 0 {
		return nil, fmt.Errorf("%w: tolerance %s; give more than 0 (the default is %s)", ErrBadOption, v.tolerance, DefaultTolerance)
	}
	if v.clock == nil {
		return nil, fmt.Errorf("%w: the clock is nil; leave WithClock out to use time.Now", ErrBadOption)
	}
	return v, nil
}

// Verify reports whether the headers in h sign body with one of the secrets. A
// nil error means they do. The body must be the bytes as they arrived, before any
// decoding. h needs the canonical keys that net/http and [http.Header.Set] give
// it.
//
// When any Standard Webhooks header is there, those headers decide alone: all
// three are needed, the timestamp must be within the tolerance, and one v1 entry
// must match. Entries of other versions are passed over, as is everything after
// the 32nd entry.
//
// Otherwise X-Hub-Signature-256 decides, unless [StandardOnly] forbids it. It
// covers the body alone and gives NO protection against replays: a request that
// was valid once stays valid until the secret changes.
//
// The errors are [ErrNoSignature], [ErrMissingHeader], [ErrMalformedHeader] (also
// for a header that is there twice or is longer than 4096 bytes), [ErrBadID],
// [ErrTimestampTooOld], [ErrTimestampTooNew] and [ErrBadSignature]. Answer all of
// them with 401. Their text may quote header values, so log it rather than
// sending it back.
func (v *Verifier) Verify(h http.Header, body []byte) error {
	c, err := v.readClaim(h)
	if err != nil {
		return err
	}
	return v.checkClaim(c, body)
}

// claim is what the headers say, once they can be read and before the signature
// is known to be right.
type claim struct {
	id, timestamp, signatures string // Standard Webhooks
	hub                       []byte // X-Hub-Signature-256, decoded; nil for the standard
}

func (v *Verifier) readClaim(h http.Header) (claim, error) {
	if len(h[HeaderID])+len(h[HeaderTimestamp])+len(h[HeaderSignature]) > 0 {
		return v.readStandard(h)
	}
	if len(h[HeaderHubSignature]) == 0 {
		return claim{}, fmt.Errorf("%w: found neither Standard Webhooks headers nor %s; check that the sender has a secret and that nothing on the way strips its headers", ErrNoSignature, HeaderHubSignature)
	}
	if v.standardOnly {
		return claim{}, fmt.Errorf("%w: found %s alone, which this verifier does not accept; send the Standard Webhooks headers", ErrNoSignature, HeaderHubSignature)
	}
	return readHub(h)
}

func (v *Verifier) checkClaim(c claim, body []byte) error {
	if c.hub != nil {
		return v.checkHub(c.hub, body)
	}
	return v.checkStandard(c, body)
}
