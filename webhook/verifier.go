package webhook

import (
	"fmt"
	"net/http"
	"time"
)

// DefaultTolerance is the largest difference between a timestamp and the receiver's clock, in
// either direction, unless [WithTolerance] is used.
const DefaultTolerance = 5 * time.Minute

// Verifier checks signature headers. Create it once with [NewVerifier] and share it: it is safe for
// concurrent use.
type Verifier struct {
	standard, hub []*key
	tolerance     time.Duration
	clock         func() time.Time
	standardOnly  bool
}

// Option configures a [Verifier].
type Option func(*Verifier)

// WithTolerance sets the largest difference between a timestamp and the clock, in either direction.
// It must be more than 0. The default is [DefaultTolerance].
func WithTolerance(d time.Duration) Option {
	return func(v *Verifier) { v.tolerance = d }
}

// WithClock replaces [time.Now] as the receiver's clock, for tests and for
// checking stored requests. It must be safe for concurrent use.
func WithClock(now func() time.Time) Option {
	return func(v *Verifier) { v.clock = now }
}

// StandardOnly refuses requests that carry only X-Hub-Signature-256. Use it if the sender signs
// both ways, as a [Signer] does. Otherwise, someone who has recorded a request can remove its
// Standard Webhooks headers and send the rest again at any time.
func StandardOnly() Option {
	return func(v *Verifier) { v.standardOnly = true }
}

// NewVerifier returns a Verifier that accepts a signature made with any of 1 to 32 secrets. The
// package comment explains how a secret becomes a key.
//
// It fails with [ErrNoSecret] if there is no secret or one is empty, with [ErrBadSecret] if a
// whsec_ secret can't be decoded or there are too many, and with [ErrBadOption] for a tolerance of
// 0 or less or a nil clock.
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

// Verify reports whether the headers in h sign body with one of the secrets. A nil error means that
// they do. The body must be the bytes as they arrived, before any decoding. h needs canonical keys,
// as net/http and [http.Header.Set] write them.
//
// If there is any Standard Webhooks header, only those headers count: all three are required, the
// timestamp must be within the tolerance, and one v1 entry must match. Entries of other versions
// are ignored, as is everything after the 32nd entry.
//
// Otherwise X-Hub-Signature-256 counts, unless [StandardOnly] forbids it. It covers only the body
// and gives NO protection against replays: a request that was valid once stays valid until the
// secret changes.
//
// The errors are [ErrNoSignature], [ErrMissingHeader], [ErrMalformedHeader] (also for a header that
// appears twice or is longer than 4096 bytes), [ErrBadID], [ErrTimestampTooOld],
// [ErrTimestampTooNew] and [ErrBadSignature]. Respond to all of them with 401. Their text may quote
// header values, so log it instead of sending it back.
func (v *Verifier) Verify(h http.Header, body []byte) error {
	c, err := v.readClaim(h)
	if err != nil {
		return err
	}
	return v.checkClaim(c, body)
}

// claim contains the parsed headers, before their signature is checked.
type claim struct {
	id, timestamp, signatures string // Standard Webhooks
	hub                       []byte // X-Hub-Signature-256, decoded; nil for the standard
}

func (v *Verifier) readClaim(h http.Header) (claim, error) {
	if len(h[HeaderID])+len(h[HeaderTimestamp])+len(h[HeaderSignature]) > 0 {
		return v.readStandard(h)
	}
	if len(h[HeaderHubSignature]) == 0 {
		return claim{}, fmt.Errorf("%w: found neither Standard Webhooks headers nor %s; check that the sender has a secret and that nothing on the way removes its headers", ErrNoSignature, HeaderHubSignature)
	}
	if v.standardOnly {
		return claim{}, fmt.Errorf("%w: found only %s, which this verifier does not accept; send the Standard Webhooks headers", ErrNoSignature, HeaderHubSignature)
	}
	return readHub(h)
}

func (v *Verifier) checkClaim(c claim, body []byte) error {
	if c.hub != nil {
		return v.checkHub(c.hub, body)
	}
	return v.checkStandard(c, body)
}
