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

// fail writes to the Outcome why there was no response. err is the error of the exchange, and
// host is the host of the target URL.
func (a *attempt) fail(o *event.Outcome, host string, err error) {
	o.Code, o.Error = a.failure(host, err)
	o.Short = isOutOfResources(err)
	var blocked *blockedError
	if o.Code == event.CodeBlocked && errors.As(err, &blocked) && blocked.Error() != o.Error {
		o.Detail = blocked.Error()
	}
	var proxy *proxyError
	if errors.As(err, &proxy) {
		o.Detail = proxy.detail
	}
}

// failure returns the code and the message for an error of the exchange.
func (a *attempt) failure(host string, err error) (event.Code, string) {
	if a.parent.Err() != nil {
		return event.CodeNetwork, "the attempt was aborted because the service stopped"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f := failure{attempt: a, host: host, err: err, peer: a.peerOf(err)}
	kinds := []func() (event.Code, string){f.blocked, f.proxy, f.dns, f.certificate, f.system, f.timeout, f.tls, f.closed, f.early, f.notHTTP}
	for _, explain := range kinds {
		if code, words := explain(); code != "" {
			return code, words
		}
	}
	return event.CodeNetwork, "the connection failed: " + quote(withoutAddresses(err))
}

// withoutAddresses returns the message of an error without the addresses of this machine and of
// a proxy, which package net puts before it.
func withoutAddresses(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}

// peerOf returns the address that the error is about, which may not be the last one that was tried.
// An address that the guard blocked, or the proxy's, is not a peer.
func (a *attempt) peerOf(err error) string {
	var blocked *blockedError
	var op *net.OpError
	if !a.proxied && !errors.As(err, &blocked) && errors.As(err, &op) && op.Addr != nil {
		a.peer = op.Addr.String()
	}
	return a.peer
}

// failure is an error and the progress that its attempt had made. Each of its methods explains
// one kind of error, or returns no code.
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
		return event.CodeBlocked, e.messageFor(f.host)
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
	case isDNS: // the message would contain the address of the name server or of this machine
		return event.CodeDNS, name + ": the name server can't be reached"
	}
	return "", ""
}

func (f failure) timeout() (event.Code, string) {
	if !isTimeout(f.err) {
		return "", ""
	}
	switch f.stage {
	case waiting, resolving, connecting:
		return event.CodeTimeout, "could not connect to " + f.peerName() + f.others() + " within " + f.within()
	case handshaking:
		return event.CodeTimeout, "no TLS handshake with " + f.peerName() + " within " + f.within() + "; " + hintHello
	case receiving:
		return event.CodeTimeout, "no complete status line within " + f.within()
	}
	return event.CodeTimeout, "no response within " + f.within()
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.Timeout()
}

// within returns the timeout that was reached.
func (f failure) within() string { return seconds(f.limit) }

// peerName returns the peer's address, or the host if no address is known.
func (f failure) peerName() string {
	if f.peer != "" {
		return f.peer
	}
	return quote(f.host)
}

// others says how many other addresses were tried.
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
		return event.CodeConnectionRefused, "connection refused by " + f.peerName()
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return event.CodeConnectionReset, f.peerName() + " reset the connection " + f.when()
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN, syscall.EADDRNOTAVAIL:
		return event.CodeUnreachable, f.peerName() + " can't be reached: " + errno.Error()
	case syscall.ETIMEDOUT: // the system gave up before our timeout, or after keep-alive probes
		return event.CodeTimeout, f.peerName() + " does not respond: " + errno.Error()
	}
	return event.CodeNetwork, "the connection to " + f.peerName() + " failed: " + errno.Error()
}

// isOutOfResources reports whether this machine had no descriptor or memory left for a
// connection. If a lookup failed for this reason, only its message says so.
func isOutOfResources(err error) bool {
	var dns *net.DNSError
	isDNS := errors.As(err, &dns)
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) || isDNS && strings.Contains(dns.Err, errno.Error()) {
			return true
		}
	}
	return false
}

// when completes "… reset the connection" and "… closed the connection".
func (f failure) when() string {
	switch f.stage {
	case handshaking:
		return "during the TLS handshake"
	case receiving:
		return "before its status line was complete"
	}
	return "before it responded"
}

func (f failure) closed() (event.Code, string) {
	if isEOF(f.err) {
		return event.CodeConnectionClosed, f.peerName() + " closed the connection " + f.when()
	}
	return "", ""
}

func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// early explains bytes that were received on a new connection before the request was sent.
func (f failure) early() (event.Code, string) {
	if errors.Is(f.err, errEarly) {
		return event.CodeBadResponse, "responded before the request was sent"
	}
	return "", ""
}

// notHTTP explains a response without a status line. It does not quote the response, which may
// be an echo of the request and its confidential parts.
func (f failure) notHTTP() (event.Code, string) {
	for _, e := range responseErrors {
		if errors.Is(f.err, e.err) {
			return event.CodeBadResponse, e.words
		}
	}
	return "", ""
}

var responseErrors = []struct {
	err   error
	words string
}{
	{errHeaderTooLong, "interim (1xx) responses are longer than 64 KiB"},
	{errIsTLS, "responded with TLS to an http request; should the target URL begin with https://?"},
	{errIsHTTP2, "responded with HTTP/2; webhooks are sent over HTTP/1.1, so the endpoint must support it too"},
	{errNotHTTP, "the response is not HTTP/1.1"},
}
