package send

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// maxProxyHeader is how much is read of a proxy's answer, in bytes.
const maxProxyHeader = 16 << 10

// tunnels opens connections through a proxy. The proxy may be called because it is
// named in the settings: the guard is not asked about it, and lets nobody else call
// its address.
type tunnels struct {
	addr    string
	fields  event.Secret // the header of each CONNECT, after its Host
	lookups *lookups
	dialer  *net.Dialer
}

func newTunnels(p Proxy, userAgent string, lookups *lookups) *tunnels {
	t := &tunnels{addr: p.Addr, lookups: lookups, dialer: &net.Dialer{}, fields: event.Secret("User-Agent: " + userAgent + "\r\n")}
	if login := p.login(); login != "" {
		t.fields += "Proxy-Authorization: " + login + "\r\n"
	}
	return t
}

// proxyError is what went wrong with the proxy, or with the target as the proxy
// says. It wraps nothing: an error of the proxy's connection is not one of the
// target's. What the proxy is called stays in the log.
type proxyError struct {
	code   event.Code
	words  string
	detail string // for the log
}

func (e *proxyError) Error() string { return e.words }

// hopeless reports whether it is the proxy, so that no other address would help.
func (e *proxyError) hopeless() bool { return e.code == event.CodeNetwork }

// open asks the proxy for a connection to the address, which nobody but the caller
// has any bytes of.
func (t *tunnels) open(ctx context.Context, target string) (*net.TCPConn, error) {
	tcp, err := t.dial(ctx)
	if err != nil {
		return nil, &proxyError{event.CodeNetwork, "the proxy of HOOKFERRY_PROXY can't be reached; the log says why", err.Error()}
	}
	stop := context.AfterFunc(ctx, func() { tcp.SetDeadline(time.Unix(1, 0)) })
	err = t.ask(tcp, target)
	if !stop() { // the deadline has been set, or is about to be
		err = &proxyError{event.CodeTimeout, "could not connect to " + target + " through the proxy", t.addr}
	}
	if err != nil {
		tcp.Close()
		return nil, err
	}
	return tcp, nil
}

// dial connects to the proxy, as dial does to a target.
func (t *tunnels) dial(ctx context.Context) (*net.TCPConn, error) {
	from, err := t.lookups.addressesOf(t.addr)
	if err != nil {
		return nil, err
	}
	return race(ctx, from.next, func(ctx context.Context, addr netip.AddrPort) (*net.TCPConn, error) {
		return dialTCP(ctx, t.dialer, addr)
	})
}

// ask sends the CONNECT (RFC 9110, section 9.3.6) and reads what the proxy answers.
func (t *tunnels) ask(c net.Conn, target string) error {
	request := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" + string(t.fields) + "\r\n"
	if _, err := io.WriteString(c, request); err != nil {
		return t.broken(err)
	}
	r := bufio.NewReader(io.LimitReader(c, maxProxyHeader))
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return t.broken(err)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusProxyAuthRequired:
		return &proxyError{event.CodeNetwork, "the proxy asks for other credentials than HOOKFERRY_PROXY holds: it " + answered(code), t.addr}
	case code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return &proxyError{event.CodeUnreachable, "the proxy could not connect to " + target + ": it " + answered(code), t.addr}
	case code < 200 || code > 299:
		return &proxyError{event.CodeNetwork, "the proxy does not connect to " + target + ": it " + answered(code), t.addr}
	case r.Buffered() > 0: // what it is part of would be read without its beginning
		return &proxyError{event.CodeBadResponse, "something came through the proxy before anything was sent", t.addr}
	}
	return nil
}

// broken is for a proxy that gives no answer that could be read. What it is instead
// is not repeated: it may hold what the proxy was sent.
func (t *tunnels) broken(err error) error {
	detail := t.addr + ": the answer is not HTTP/1.1, or its header is too long"
	var op *net.OpError
	if errors.As(err, &op) || isEOF(err) {
		detail = t.addr + ": " + err.Error()
	}
	return &proxyError{event.CodeNetwork, "the proxy gave no answer that could be read; the log says more", detail}
}
