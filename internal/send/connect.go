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

// maxProxyHeader is the maximum number of bytes that are read of a proxy's response.
const maxProxyHeader = 16 << 10

// tunnels opens connections through a proxy. The guard does not check the proxy's address, because
// the operator has set it. The same address may still be blocked as a target.
type tunnels struct {
	addr    string
	fields  event.Secret // the header fields of each CONNECT, after Host
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

// proxyError is a failure of the proxy, or a failure of the target that the proxy reports. It
// wraps nothing, because an error of the connection to the proxy is not one of the target's. The
// proxy's address appears only in the log.
type proxyError struct {
	code   event.Code
	words  string
	detail string // for the log
}

func (e *proxyError) Error() string { return e.words }

// hopeless reports whether the proxy itself failed, so that no other address would help.
func (e *proxyError) hopeless() bool { return e.code == event.CodeNetwork }

// open asks the proxy for a connection to the target. Nothing has been read from the connection
// that it returns.
func (t *tunnels) open(ctx context.Context, target string) (*net.TCPConn, error) {
	tcp, err := t.dial(ctx)
	if err != nil {
		return nil, &proxyError{event.CodeNetwork, "the proxy in HOOKFERRY_PROXY can't be reached; the log says why", err.Error()}
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

// dial connects to the proxy.
func (t *tunnels) dial(ctx context.Context) (*net.TCPConn, error) {
	from, err := t.lookups.addressesOf(t.addr)
	if err != nil {
		return nil, err
	}
	return race(ctx, from.next, func(ctx context.Context, addr netip.AddrPort) (*net.TCPConn, error) {
		return dialTCP(ctx, t.dialer, addr)
	})
}

// ask sends the CONNECT request (RFC 9110, section 9.3.6) and reads the proxy's response.
func (t *tunnels) ask(c net.Conn, target string) error {
	request := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" + string(t.fields) + "\r\n"
	if _, err := io.WriteString(c, request); err != nil {
		return t.unreadable(err)
	}
	r := bufio.NewReader(io.LimitReader(c, maxProxyHeader))
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return t.unreadable(err)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusProxyAuthRequired:
		return &proxyError{event.CodeNetwork, "the proxy rejected the credentials in HOOKFERRY_PROXY: it " + responded(code), t.addr}
	case code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return &proxyError{event.CodeUnreachable, "the proxy could not connect to " + target + ": it " + responded(code), t.addr}
	case code < 200 || code > 299:
		return &proxyError{event.CodeNetwork, "the proxy does not connect to " + target + ": it " + responded(code), t.addr}
	case r.Buffered() > 0: // the caller would miss these bytes
		return &proxyError{event.CodeBadResponse, "data came through the proxy before anything was sent", t.addr}
	}
	return nil
}

// unreadable returns the error for a response of the proxy that can't be read. It does not
// quote the response, which may contain what the proxy was sent.
func (t *tunnels) unreadable(err error) error {
	detail := t.addr + ": the response is not HTTP/1.1, or its header is too long"
	var op *net.OpError
	if errors.As(err, &op) || isEOF(err) {
		detail = t.addr + ": " + err.Error()
	}
	return &proxyError{event.CodeNetwork, "the proxy's response can't be read; the log says more", detail}
}
