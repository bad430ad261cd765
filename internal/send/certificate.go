package send

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// certificate explains why an endpoint's certificate was not accepted.
func (f failure) certificate() (event.Code, string) {
	var (
		invalid   x509.CertificateInvalidError
		wrongHost x509.HostnameError
		unknown   x509.UnknownAuthorityError
		noRoots   x509.SystemRootsError
		other     *tls.CertificateVerificationError
	)
	switch {
	case errors.As(f.err, &invalid) && invalid.Reason == x509.Expired:
		return event.CodeTLSExpired, expired(invalid.Cert)
	case errors.As(f.err, &wrongHost):
		return event.CodeTLSWrongHost, "the certificate is for " + names(wrongHost.Certificate) + ", not for " + quote(f.host)
	case errors.As(f.err, &unknown):
		return event.CodeTLSUntrusted, "the certificate is not trusted: " + untrusted(unknown.Cert)
	case errors.As(f.err, &noRoots):
		return event.CodeTLSUntrusted, "the certificate is not trusted: this machine has no root certificates to check it with"
	case errors.As(f.err, &other):
		return event.CodeTLSUntrusted, "the certificate is not trusted: " + quote(strings.TrimPrefix(other.Err.Error(), "x509: "))
	}
	return "", ""
}

func expired(cert *x509.Certificate) string {
	if time.Now().Before(cert.NotBefore) {
		return "the certificate is not valid before " + cert.NotBefore.UTC().Format(time.DateOnly)
	}
	return "the certificate expired on " + cert.NotAfter.UTC().Format(time.DateOnly)
}

// names lists the first few hosts that a certificate is for.
func names(cert *x509.Certificate) string {
	all := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	const few = 3
	switch n := len(all); {
	case n == 0:
		return "no host at all"
	case n > few:
		return quote(strings.Join(all[:few], ", ")) + fmt.Sprintf(" and %d more", n-few)
	}
	return quote(strings.Join(all, ", "))
}

func untrusted(cert *x509.Certificate) string {
	const add = "; if that is your own, add it to HOOKFERRY_TARGET_CA"
	switch {
	case cert == nil:
		return "it is signed by an unknown authority" + add
	case bytes.Equal(cert.RawIssuer, cert.RawSubject):
		return "it is self-signed" + add
	}
	return "it is signed by an unknown authority, " + quote(cert.Issuer.String()) + add + "; otherwise the endpoint may not send its intermediate certificates"
}

// tls explains any other failure of TLS.
func (f failure) tls() (event.Code, string) {
	var header tls.RecordHeaderError
	if errors.As(f.err, &header) {
		if string(header.RecordHeader[:]) == "HTTP/" {
			return event.CodeTLS, "responded with plain HTTP to an https request; should the target URL begin with http://?"
		}
		return event.CodeTLS, "the response is not TLS"
	}
	var op *net.OpError // crypto/tls wraps the alerts of either side in it
	alert := errors.As(f.err, &op) && (op.Op == "remote error" || op.Op == "local error")
	if alert {
		words := strings.TrimPrefix(op.Err.Error(), "tls: ")
		return event.CodeTLS, f.peerName() + " ended TLS: " + quote(words) + tlsAdvice(words)
	}
	if f.stage == handshaking && !isEOF(f.err) {
		words := strings.TrimPrefix(withoutAddresses(f.err), "tls: ")
		return event.CodeTLS, "the TLS handshake with " + f.peerName() + " failed: " + quote(words) + tlsAdvice(words)
	}
	return "", ""
}

// tlsAdvice says what to do about a handshake that may have failed because the endpoint, or
// something between, is old. docs/operate.md says more.
func tlsAdvice(words string) string {
	for _, h := range tlsHints {
		if strings.Contains(words, h.words) {
			return "; " + h.hint
		}
	}
	return ""
}

const (
	hintVersion = "the endpoint must support TLS 1.2 or later"
	hintRSA     = "if the endpoint supports only RSA key exchange, start the service with GODEBUG=tlsrsakex=1"
	hintHello   = "if a firewall or proxy on the way can't handle a long ClientHello, start the service with GODEBUG=tlsmlkem=0, which makes it shorter"
)

// tlsHints are keyed by the messages of crypto/tls, which has no types for these errors.
var tlsHints = []struct{ words, hint string }{
	{"protocol version", hintVersion},
	{"handshake failure", hintRSA},
	{"insufficient security", hintRSA},
	{"cipher suite", hintRSA},
	{"decode error", hintHello},
	{"error decoding message", hintHello},
	{"illegal parameter", hintHello},
	{"record overflow", hintHello},
	{"unexpected message", hintHello},
}
