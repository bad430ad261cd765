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
	switch {
	case cert == nil:
		return "it was signed by an unknown authority"
	case bytes.Equal(cert.RawIssuer, cert.RawSubject):
		return "it is self-signed"
	}
	return "it was signed by the unknown authority " + quote(cert.Issuer.String()) +
		", or the server does not send the intermediate certificates"
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
		return event.CodeTLS, f.whom() + " ended TLS: " + quote(strings.TrimPrefix(op.Err.Error(), "tls: "))
	}
	if f.stage == handshaking && !isEOF(f.err) {
		return event.CodeTLS, "the TLS handshake with " + f.whom() + " failed: " + quote(strings.TrimPrefix(withoutAddresses(f.err), "tls: "))
	}
	return "", ""
}
