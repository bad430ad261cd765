package send

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/hookferry/hookferry/internal/event"
)

// fail writes into the Outcome what happened when no answer came: err is the
// exchange's, and host that of the target URL.
func (a *attempt) fail(o *event.Outcome, host string, err error) {
	o.Code, o.Error = a.failure(host, err)
	o.Short = isShort(err)
	var blocked *blockedError
	if o.Code == event.CodeBlocked && errors.As(err, &blocked) && blocked.Error() != o.Error {
		o.Detail = blocked.Error()
	}
	var proxy *proxyError
	if errors.As(err, &proxy) {
		o.Detail = proxy.detail
	}
}

// failure is the code and the words.
func (a *attempt) failure(host string, err error) (event.Code, string) {
	if a.parent.Err() != nil {
		return event.CodeNetwork, "the attempt was broken off because the service stopped"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f := failure{attempt: a, host: host, err: err, peer: a.peerOf(err)}
	kinds := []func() (event.Code, string){f.blocked, f.proxy, f.dns, f.certificate, f.system, f.timeout, f.tls, f.closed, f.early, f.garbled}
	for _, explain := range kinds {
		if code, words := explain(); code != "" {
			return code, words
		}
	}
	return event.CodeNetwork, "the connection failed: " + quote(withoutAddresses(err))
}

// withoutAddresses is the text of an error, but not those of this machine and of a
// proxy, which package net writes before it.
func withoutAddresses(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}

// peerOf is the address that the error is about. Of several that were tried, it
// need not be the last. One that the guard refused is nobody's peer, and the other
// end of a proxied connection is the proxy.
func (a *attempt) peerOf(err error) string {
	var blocked *blockedError
	var op *net.OpError
	if !a.proxied && !errors.As(err, &blocked) && errors.As(err, &op) && op.Addr != nil {
		a.peer = op.Addr.String()
	}
	return a.peer
}

// failure is an error in the light of how far its attempt had come. Each of its
// methods explains one kind, or returns no code.
type failure struct {
	*attempt
	host string
	err  error
	peer string
}

func (f failure) blocked() (event.Code, string) {
	var e *blockedError
	if !errors.As(f.err, &e) {
		return "", ""
	}
	if _, err := netip.ParseAddr(f.host); err != nil {
		return event.CodeBlocked, e.behind(f.host)
	}
	return event.CodeBlocked, e.Error()
}

func (f failure) proxy() (event.Code, string) {
	var e *proxyError
	switch {
	case !errors.As(f.err, &e):
		return "", ""
	case e.code == event.CodeTimeout:
		return e.code, e.words + " within " + f.within()
	}
	return e.code, e.words
}

func (f failure) dns() (event.Code, string) {
	name := "the name " + quote(f.host) + " could not be resolved"
	var e *net.DNSError
	isDNS := errors.As(f.err, &e)
	switch {
	case isDNS && e.IsTimeout, !isDNS && f.stage == resolving && isTimeout(f.err):
		return event.CodeDNS, name + " within " + f.within()
	case isDNS && !strings.Contains(e.Err, ":"):
		return event.CodeDNS, name + ": " + quote(e.Err)
	case isDNS: // an address of the operator's name server, or of this machine
		return event.CodeDNS, name + ": the name server can't be asked"
	}
	return "", ""
}

func (f failure) timeout() (event.Code, string) {
	if !isTimeout(f.err) {
		return "", ""
	}
	switch f.stage {
	case waiting, resolving, connecting:
		return event.CodeTimeout, "could not connect to " + f.whom() + f.others() + " within " + f.within()
	case handshaking:
		return event.CodeTimeout, "no TLS handshake with " + f.whom() + " within " + f.within()
	case answering:
		return event.CodeTimeout, "no complete status line within " + f.within()
	}
	return event.CodeTimeout, "no answer within " + f.within()
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.Timeout()
}

// within is the limit that was reached.
func (f failure) within() string { return seconds(f.limit) }

// whom is the other end as far as it is known.
func (f failure) whom() string {
	if f.peer != "" {
		return f.peer
	}
	return quote(f.host)
}

// others are the other addresses that were tried.
func (f failure) others() string {
	switch f.tried {
	case 0, 1:
		return ""
	case 2:
		return " or to 1 other address"
	}
	return fmt.Sprintf(" or to %d other addresses", f.tried-1)
}

func (f failure) system() (event.Code, string) {
	var errno syscall.Errno
	if !errors.As(f.err, &errno) {
		return "", ""
	}
	switch errno {
	case syscall.ECONNREFUSED:
		return event.CodeConnectionRefused, "connection refused by " + f.whom()
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return event.CodeConnectionReset, f.whom() + " cut the connection " + f.when()
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN, syscall.EADDRNOTAVAIL:
		return event.CodeUnreachable, f.whom() + " can't be reached: " + errno.Error()
	case syscall.ETIMEDOUT: // the system has given up, long before our own limit or after keep-alive probes
		return event.CodeTimeout, f.whom() + " does not respond: " + errno.Error()
	}
	return event.CodeNetwork, "the connection to " + f.whom() + " failed: " + errno.Error()
}

// isShort reports whether this machine had no descriptor or memory left for a connection.
// A look-up that failed so tells it in its text alone.
func isShort(err error) bool {
	var dns *net.DNSError
	isDNS := errors.As(err, &dns)
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) || isDNS && strings.Contains(dns.Err, errno.Error()) {
			return true
		}
	}
	return false
}

// when completes "… cut the connection" and "… hung up".
func (f failure) when() string {
	switch f.stage {
	case handshaking:
		return "during the TLS handshake"
	case answering:
		return "before its status line was complete"
	}
	return "before it answered"
}

func (f failure) closed() (event.Code, string) {
	if isEOF(f.err) {
		return event.CodeConnectionClosed, f.whom() + " hung up " + f.when()
	}
	return "", ""
}

func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// early is for bytes that came on a new connection before the request went out on it.
func (f failure) early() (event.Code, string) {
	if errors.Is(f.err, errEarly) {
		return event.CodeBadResponse, "answered before the request was sent"
	}
	return "", ""
}

// garbled is for a response without a status line. What came instead is not repeated: it
// may be the request itself, with all that is confidential in it.
func (f failure) garbled() (event.Code, string) {
	for _, g := range garbles {
		if errors.Is(f.err, g.err) {
			return event.CodeBadResponse, g.words
		}
	}
	return "", ""
}

var garbles = []struct {
	err   error
	words string
}{
	{errHeaderTooLong, "interim (1xx) responses are longer than 64 KiB"},
	{errIsTLS, "answered TLS to an http request; should the target URL begin with https://?"},
	{errIsHTTP2, "answered HTTP/2; webhooks are sent over HTTP/1.1, so let the endpoint speak that too"},
	{errNotHTTP, "what came back is not HTTP/1.1"},
}
