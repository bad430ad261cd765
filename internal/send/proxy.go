package send

import (
	"context"
	"encoding/base64"
	"net/netip"

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

// tunnel connects through the proxy. The name is resolved here, the guard judges each
// address, and the proxy is told to connect to one that has passed: what it calls is
// what was checked. TLS and the Host field go by the name.
func (s *Sender) tunnel(ctx context.Context, d *dialing, target netip.AddrPort) (*conn, error) {
	network := "tcp4"
	if target.Addr().Is6() {
		network = "tcp6"
	}
	if err := d.admit(network, target.String()); err != nil {
		return nil, err
	}
	tcp, err := s.proxy.open(ctx, target.String())
	d.done(target.String(), err)
	if err != nil {
		return nil, err
	}
	return &conn{TCPConn: tcp, peer: target.String()}, nil
}
