package send

import (
	"context"
	"encoding/base64"
	"net/netip"

	"github.com/hookferry/hookferry/internal/event"
)

// Proxy is the HTTP proxy through which connections are made. Only CONNECT is used, for http
// targets too, because it takes an address: with forwarded requests the proxy would resolve the
// name, and the guard could not check the address.
type Proxy struct {
	Addr     string // host:port; "" means no proxy
	User     string
	Password event.Secret
}

// login returns the value of Proxy-Authorization, or "".
func (p Proxy) login() event.Secret {
	if p.User == "" && p.Password == "" {
		return ""
	}
	return event.Secret("Basic " + base64.StdEncoding.EncodeToString([]byte(p.User+":"+string(p.Password))))
}

// tunnel connects through the proxy. Names are resolved here, the guard checks each address, and
// the proxy gets an address that has passed. So it connects to exactly what was checked. TLS and
// the Host field use the name.
func (s *Sender) tunnel(ctx context.Context, d *dialing, target netip.AddrPort) (*tcpConn, error) {
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
	return &tcpConn{TCPConn: tcp, peer: target.String()}, nil
}
