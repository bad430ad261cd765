package event

import (
	"fmt"
	"time"
)

// Code says why an attempt failed. Codes are stable: callers may match on them.
type Code string

// The codes of failed attempts. An attempt that succeeded has none.
const (
	CodeTimeout           Code = "timeout"             // no complete status line and headers in time
	CodeDNS               Code = "dns_error"           // the host's name could not be resolved
	CodeConnectionRefused Code = "connection_refused"  // nothing listens at the address
	CodeConnectionReset   Code = "connection_reset"    // the peer reset the connection
	CodeConnectionClosed  Code = "connection_closed"   // the peer closed the connection before it responded
	CodeUnreachable       Code = "network_unreachable" // no route to the address
	CodeTLSExpired        Code = "tls_certificate_expired"
	CodeTLSUntrusted      Code = "tls_certificate_untrusted"
	CodeTLSWrongHost      Code = "tls_certificate_wrong_host"
	CodeTLS               Code = "tls_error"             // any other failure of the handshake
	CodeRedirect          Code = "redirect_not_followed" // 3xx
	CodeGone              Code = "gone"                  // 410: ends the delivery, disables the subscription
	CodeStatus            Code = "http_status"           // any other status that is not 200-299
	CodeBadResponse       Code = "bad_response"          // the response is not HTTP, or exceeds a limit
	CodeBlocked           Code = "target_blocked"        // the guard blocked the address: ends the delivery
	CodeBadTarget         Code = "target_invalid"        // no request can be made for this target: ends the delivery
	CodeDamaged           Code = "event_damaged"         // the event was damaged in the database: ends the delivery
	CodeRefusedTooLong    Code = "refused_too_long"      // the endpoint refused for 24 hours: ends the delivery without a request
	CodeNetwork           Code = "network_error"         // any other failure of the connection
)

// Phases says how long each phase of an attempt took. A phase that did not happen is zero: an
// attempt on a kept-alive connection has no DNS, connect or TLS phase.
type Phases struct {
	DNS       time.Duration
	Connect   time.Duration
	TLS       time.Duration
	FirstByte time.Duration // from the end of the request to the first byte of the response
}

// Outcome is how an attempt ended. A webhook that fails is an Outcome, not an error.
type Outcome struct {
	StartedAt  time.Time
	Duration   time.Duration
	Phases     Phases
	Peer       string        // the address of the connection, or of the failed one; "" if none was tried
	StatusCode int           // 0 if there was no response
	Code       Code          // "" means success
	Error      string        // what happened, in words an operator can act on; "" on success
	Detail     string        // for the log only, not for the API; not stored
	RetryAfter time.Duration // what the endpoint asked for with 429, 502, 503 or 504; 0 if nothing; not stored
	Short      bool          // no request was made, because this machine lacked descriptors or memory, so the attempt does not count; not stored
	Response   []byte        // the beginning of the response's body, at most ExcerptLimit bytes
}

// ExcerptLimit is how much of a response's body is stored with its attempt, in bytes.
const ExcerptLimit = 4 << 10

// Success reports whether the endpoint accepted the webhook.
func (o Outcome) Success() bool { return o.Code == "" }

// Final reports whether another attempt would be pointless, even if the retry schedule has one.
func (o Outcome) Final() bool {
	return o.Code == CodeBlocked || o.Code == CodeGone || o.Code == CodeBadTarget || o.Code == CodeDamaged || o.Code == CodeRefusedTooLong
}

// Refused reports whether the endpoint asked by Retry-After for no further requests; see Health.
func (o Outcome) Refused() bool { return o.Code == CodeStatus && o.RetryAfter > 0 }

// TooLongRefused returns the outcome of a delivery that fails without a request, because its
// endpoint has refused requests for too long.
func TooLongRefused(h Health, now time.Time) Outcome {
	return Outcome{
		StartedAt: now, Code: CodeRefusedTooLong,
		Error: fmt.Sprintf("the endpoint has refused every request with Retry-After since %s; the delivery failed after %d hours, and no request was made",
			h.RefusedSince.UTC().Format(time.RFC3339), int(MaxRefused.Hours())),
	}
}

// Overloaded reports whether the endpoint seems to be overloaded: it timed out, could not be
// connected to, or responded with 429 or 503. Its lane then lowers the concurrency.
func (o Outcome) Overloaded() bool {
	switch o.Code {
	case CodeTimeout, CodeConnectionRefused, CodeConnectionReset, CodeConnectionClosed, CodeUnreachable, CodeDNS:
		return true
	case CodeStatus:
		return o.StatusCode == 429 || o.StatusCode == 503
	}
	return false
}
