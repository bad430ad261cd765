// Package reason says in plain English why a connection, a name lookup, a listener or a file
// failed.
//
// It never repeats the text of the operating system, a library or a peer: such text is written for
// programmers, and may contain something that a user typed, such as a password.
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

// Of returns a clause that continues a sentence after "because" or a colon. Every error has one.
func Of(err error) string {
	if clause, known := Known(err); known {
		return clause
	}
	return "the connection failed"
}

// Known is like Of for an error that may be of another kind.
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

// ofName must come before the functions that look for timeouts: the timeout of a lookup is that of
// the name server.
func ofName(err error) string {
	lookup, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return ""
	case lookup.IsNotFound:
		return "no host has that name"
	case lookup.IsTimeout:
		return "the name server did not respond in time"
	}
	return "the name server could not look up the host"
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
		return "its certificate is signed by an authority that this machine does not trust (SSL_CERT_FILE can name a file with your own authorities)"
	case errors.As(err, &host):
		return "its certificate is for another host name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet, by this machine's clock"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "its certificate is not trusted"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the server does not speak TLS"
	case errors.As(err, &refusal) && refusal.Op == "remote error": // crypto/tls reports an alert like this
		return "the TLS handshake was refused"
	}
	return ""
}

// systemClauses are in the order in which they are checked.
func systemClauses() []struct {
	error
	clause string
} {
	return []struct {
		error
		clause string
	}{
		{syscall.ECONNREFUSED, "nothing listens there"},
		{syscall.EADDRINUSE, "another process is already listening there"},
		{syscall.EADDRNOTAVAIL, "this machine does not have that address"},
		{syscall.ECONNRESET, "the other side closed the connection"},
		{syscall.EPIPE, "the other side closed the connection"},
		{syscall.ENETUNREACH, "there is no route to it"},
		{syscall.EHOSTUNREACH, "there is no route to it"},
		{syscall.ETIMEDOUT, "there was no response in time"},
		{syscall.EMFILE, "this process has no file descriptor left (ulimit -n)"},
		{syscall.ENFILE, "this machine has no file descriptor left"},
		{syscall.EAFNOSUPPORT, "this machine does not support that kind of address"},
		{syscall.ENOSPC, "the disk is full"},
		{syscall.EROFS, "the file system is read-only"},
		{syscall.EISDIR, "it is a directory"},
		{syscall.ENOTDIR, "part of its path is not a directory"},
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
		return "permission denied (ports below 1024 need root)"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	}
	return ""
}

// ofHTTP must be last: other functions may know better what broke a connection.
func ofHTTP(err error) string {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the response was complete"
	case strings.Contains(err.Error(), "malformed HTTP"):
		return "the server does not speak HTTP"
	}
	return ""
}
