package event

import (
	"fmt"
	"time"
)

// Code names why an attempt failed. Codes are stable: callers may match on them.
type Code string

// The codes of failed attempts. An attempt that succeeded has none.
const (
	CodeTimeout           Code = "timeout"             // no complete status line and headers in time
	CodeDNS               Code = "dns_error"           // the host's name could not be resolved
	CodeConnectionRefused Code = "connection_refused"  // nobody listens there
	CodeConnectionReset   Code = "connection_reset"    // the peer cut the connection
	CodeConnectionClosed  Code = "connection_closed"   // the peer hung up before it answered
	CodeUnreachable       Code = "network_unreachable" // no route to the address
	CodeTLSExpired        Code = "tls_certificate_expired"
	CodeTLSUntrusted      Code = "tls_certificate_untrusted"
	CodeTLSWrongHost      Code = "tls_certificate_wrong_host"
	CodeTLS               Code = "tls_error"             // any other failure of the handshake
	CodeRedirect          Code = "redirect_not_followed" // 3xx
	CodeGone              Code = "gone"                  // 410: ends the delivery, disables the subscription
	CodeStatus            Code = "http_status"           // any other answer that is not 200-299
	CodeBadResponse       Code = "bad_response"          // what came back is not HTTP, or breaks its limits
	CodeBlocked           Code = "target_blocked"        // the guard refused the address: ends the delivery
	CodeBadTarget         Code = "target_invalid"        // no request can be made for this target: ends the delivery
	CodeDamaged           Code = "event_damaged"         // the database has changed the event: ends the delivery
	CodeRefusedTooLong    Code = "refused_too_long"      // the endpoint refused for 24 hours: ends the delivery, without a request
	CodeNetwork           Code = "network_error"         // any other failure of the connection
)

// Phases says where the time of an attempt went. A phase that did not happen (a
// kept-alive connection has no DNS, connect or TLS phase) is zero.
type Phases struct {
	DNS       time.Duration
	Connect   time.Duration
	TLS       time.Duration
	FirstByte time.Duration // from the request written to the first byte of the answer
}

// Outcome is how an attempt ended. A webhook that fails is an Outcome, not an error.
type Outcome struct {
	StartedAt  time.Time
	Duration   time.Duration
	Phases     Phases
	Peer       string        // the address that was connected to, or could not be; "" if it came to none
	StatusCode int           // 0 if no answer came
	Code       Code          // "" means success
	Error      string        // what happened, in words an operator can act on; "" on success
	Detail     string        // what the log may say besides, and callers may not read; not kept
	RetryAfter time.Duration // what the endpoint asked for with 429, 502, 503 or 504; 0 if nothing; not kept
	Short      bool          // this machine had nothing left to make the attempt with: nobody was called, and it is not to count; not kept
	Response   []byte        // the beginning of the answer's body, at most ExcerptLimit bytes
}

// ExcerptLimit is how much of an answer's body is kept with its attempt, in bytes.
const ExcerptLimit = 4 << 10

// Success reports whether the receiver took the webhook.
func (o Outcome) Success() bool { return o.Code == "" }

// Final reports whether another attempt would be senseless whatever the policy says.
func (o Outcome) Final() bool {
	return o.Code == CodeBlocked || o.Code == CodeGone || o.Code == CodeBadTarget || o.Code == CodeDamaged || o.Code == CodeRefusedTooLong
}

// Refused reports whether the endpoint asked for no requests for a time; see Health.
func (o Outcome) Refused() bool { return o.Code == CodeStatus && o.RetryAfter > 0 }

// TooLongRefused is the outcome of a delivery that ends because its endpoint has refused for
// too long. No request is made for it.
func TooLongRefused(h Health, now time.Time) Outcome {
	return Outcome{
		StartedAt: now, Code: CodeRefusedTooLong,
		Error: fmt.Sprintf("the endpoint has asked for no requests since %s, without a success: the delivery ends after %d hours; no request was made",
			h.RefusedSince.UTC().Format(time.RFC3339), int(MaxRefused.Hours())),
	}
}

// Overloaded reports whether the endpoint shows that it can't keep up: it times
// out, can't be connected to, or says so with 429 or 503. A lane then lets fewer
// requests be in flight.
func (o Outcome) Overloaded() bool {
	switch o.Code {
	case CodeTimeout, CodeConnectionRefused, CodeConnectionReset, CodeConnectionClosed, CodeUnreachable, CodeDNS:
		return true
	case CodeStatus:
		return o.StatusCode == 429 || o.StatusCode == 503
	}
	return false
}
