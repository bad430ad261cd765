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

// certificate explains why a receiver's certificate was not accepted.
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
		return event.CodeTLSWrongHost, "certificate is for " + names(wrongHost.Certificate) + ", not for " + quote(f.host)
	case errors.As(f.err, &unknown):
		return event.CodeTLSUntrusted, "certificate is not trusted: " + untrusted(unknown.Cert)
	case errors.As(f.err, &noRoots):
		return event.CodeTLSUntrusted, "certificate is not trusted: this machine has no root certificates to check it with"
	case errors.As(f.err, &other):
		return event.CodeTLSUntrusted, "certificate is not trusted: " + quote(strings.TrimPrefix(other.Err.Error(), "x509: "))
	}
	return "", ""
}

func expired(cert *x509.Certificate) string {
	if time.Now().Before(cert.NotBefore) {
		return "certificate is not valid before " + cert.NotBefore.UTC().Format(time.DateOnly)
	}
	return "certificate expired on " + cert.NotAfter.UTC().Format(time.DateOnly)
}

// names lists a few of the hosts that a certificate is for.
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
	const add = "; if that is your own, add it with HOOKFERRY_TARGET_CA"
	switch {
	case cert == nil:
		return "it is signed by an unknown authority" + add
	case bytes.Equal(cert.RawIssuer, cert.RawSubject):
		return "it is self-signed" + add
	}
	return "it is signed by an unknown authority, " + quote(cert.Issuer.String()) + add + ", and if not, the endpoint may not send its intermediate certificates"
}

// tls explains what else can go wrong with TLS.
func (f failure) tls() (event.Code, string) {
	var header tls.RecordHeaderError
	if errors.As(f.err, &header) {
		if string(header.RecordHeader[:]) == "HTTP/" {
			return event.CodeTLS, "answered HTTP to an https request; should the target URL begin with http://?"
		}
		return event.CodeTLS, "what came back is not TLS"
	}
	var op *net.OpError // how crypto/tls wraps the alerts of either side
	alert := errors.As(f.err, &op) && (op.Op == "remote error" || op.Op == "local error")
	if alert {
		words := strings.TrimPrefix(op.Err.Error(), "tls: ")
		return event.CodeTLS, f.whom() + " ended TLS: " + quote(words) + oldTLS(words)
	}
	if f.stage == handshaking && !isEOF(f.err) {
		words := strings.TrimPrefix(withoutAddresses(f.err), "tls: ")
		return event.CodeTLS, "the TLS handshake with " + f.whom() + " failed: " + quote(words) + oldTLS(words)
	}
	return "", ""
}

// oldTLS is what to do about a handshake that failed because the endpoint, or something
// on the way to it, is old. docs/operate.md says more.
func oldTLS(words string) string {
	for _, h := range tlsHints {
		if strings.Contains(words, h.words) {
			return "; " + h.hint
		}
	}
	return ""
}

const (
	hintVersion = "the endpoint must speak TLS 1.2 or later"
	hintRSA     = "an endpoint that knows RSA key exchange alone needs the service started with GODEBUG=tlsrsakex=1"
	hintHello   = "where a part of the way is too narrow for a long ClientHello, starting the service with GODEBUG=tlsmlkem=0 makes it short"
)

// tlsHints are by the texts of crypto/tls, which has no types for them.
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
