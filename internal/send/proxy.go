package send

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Proxy is the way out of a network that has no other. Of what an HTTP proxy can do
// only CONNECT is used, for http targets as well: it takes an address, where a
// forwarded request would leave it to the proxy what a name leads to.
type Proxy struct {
	Addr     string // host:port; "" means no proxy
	User     string
	Password event.Secret
}

// login is the value of Proxy-Authorization, or "".
func (p Proxy) login() event.Secret {
	if p.User == "" && p.Password == "" {
		return ""
	}
	return event.Secret("Basic " + base64.StdEncoding.EncodeToString([]byte(p.User+":"+string(p.Password))))
}

// tunnel dials through the proxy. The name is resolved here, the guard judges each
// address, and the proxy is told to connect to one that has passed: what it calls is
// what was checked. TLS and the Host field go by the name.
func (s *Sender) tunnel(ctx context.Context, d *dialing, address string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.dialLimit)
	defer cancel()
	found, err := s.resolve(d.watch(ctx), address)
	if err != nil {
		return nil, err
	}
	var first error // the one that counts, as with net.Dialer
	for i, target := range found {
		c, err := s.tunnelTo(ctx, d, target, len(found)-i)
		if err == nil {
			return c, nil
		}
		var p *proxyError
		if errors.As(err, &p) && p.code == event.CodeNetwork {
			return nil, err // it is the proxy, and no other address would help
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// resolve gives at most maxAddresses addresses, and at least one.
func (s *Sender) resolve(ctx context.Context, address string) ([]netip.AddrPort, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	resolver := s.dialer.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	found, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	targets := make([]netip.AddrPort, min(len(found), maxAddresses))
	for i := range targets {
		targets[i] = netip.AddrPortFrom(found[i].WithZone("").Unmap(), uint16(port))
	}
	return targets, nil
}

// tunnelTo tries one of the addresses that are left, within its share of the time.
func (s *Sender) tunnelTo(ctx context.Context, d *dialing, target netip.AddrPort, left int) (*conn, error) {
	network := "tcp4"
	if target.Addr().Is6() {
		network = "tcp6"
	}
	if err := d.admit(network, target.String()); err != nil {
		return nil, err
	}
	const least = 2 * time.Second // as net.Dialer has it: less helps nobody
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, max(least, time.Until(deadline)/time.Duration(left)))
	defer cancel()
	tcp, err := s.proxy.open(ctx, target.String())
	d.done(target.String(), err)
	if err != nil {
		return nil, err
	}
	return &conn{TCPConn: tcp, peer: target.String()}, nil
}
