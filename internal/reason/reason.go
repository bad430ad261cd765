// Package reason says in plain English why a connection, a look-up, a listener or a file
// failed.
//
// What an operating system, a library or a peer says is never repeated: it is written for
// programmers, and may hold what somebody typed, a password among it.
//
// Start with Of.
package reason

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// Of is a clause that goes on after "because" or a colon. Every error has one.
func Of(err error) string {
	if clause, known := Known(err); known {
		return clause
	}
	return "the connection failed"
}

// Known is Of for an error that may be of another kind.
func Known(err error) (clause string, known bool) {
	for _, of := range []func(error) string{ofContext, ofName, ofTLS, ofSystem, ofFile, ofHTTP} {
		if clause := of(err); clause != "" {
			return clause, true
		}
	}
	return "", false
}

func ofContext(err error) string {
	if errors.Is(err, context.Canceled) {
		return "it was stopped"
	}
	return ""
}

// ofName comes before what looks for timeouts: that of a look-up is the name service's.
func ofName(err error) string {
	lookup, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return ""
	case lookup.IsNotFound:
		return "no host has that name"
	case lookup.IsTimeout:
		return "the name service did not respond in time"
	}
	return "the name service could not look up the host"
}

func ofTLS(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		refusal   *net.OpError
		verify    *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &authority):
		return "its certificate is signed by an authority that this machine does not know (SSL_CERT_FILE can name a file with your own)"
	case errors.As(err, &host):
		return "its certificate is for another host name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet, by this machine's clock"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "its certificate can't be trusted"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "what responds there does not speak TLS"
	case errors.As(err, &refusal) && refusal.Op == "remote error": // so crypto/tls marks an alert
		return "the TLS handshake was refused"
	}
	return ""
}

// systemClauses are in the order in which they are looked for.
func systemClauses() []struct {
	error
	clause string
} {
	return []struct {
		error
		clause string
	}{
		{syscall.ECONNREFUSED, "nothing listens there"},
		{syscall.EADDRINUSE, "something else listens there already"},
		{syscall.EADDRNOTAVAIL, "this machine has no such address"},
		{syscall.ECONNRESET, "the connection was closed from there"},
		{syscall.EPIPE, "the connection was closed from there"},
		{syscall.ENETUNREACH, "no route leads there"},
		{syscall.EHOSTUNREACH, "no route leads there"},
		{syscall.ETIMEDOUT, "there was no response in time"},
		{syscall.EMFILE, "this process has no file descriptor left (ulimit -n)"},
		{syscall.ENFILE, "this machine has no file descriptor left"},
		{syscall.EAFNOSUPPORT, "this machine does not support that kind of address"},
		{syscall.ENOSPC, "the disk is full"},
		{syscall.EROFS, "the file system can only be read"},
		{syscall.EISDIR, "it is a directory"},
		{syscall.ENOTDIR, "a part of its path is not a directory"},
		{net.ErrClosed, "the connection is closed"},
	}
}

func ofSystem(err error) string {
	for _, known := range systemClauses() {
		if errors.Is(err, known.error) {
			return known.clause
		}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return "there was no response in time"
	}
	return ""
}

func ofFile(err error) string {
	_, isNetwork := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it does not exist"
	case errors.Is(err, fs.ErrPermission) && isNetwork:
		return "this user may not (ports below 1024 are for root)"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not"
	}
	return ""
}

// ofHTTP is last: what else broke a connection may be known better.
func ofHTTP(err error) string {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the response was complete"
	case strings.Contains(err.Error(), "malformed HTTP"):
		return "what responds there does not speak HTTP"
	}
	return ""
}
