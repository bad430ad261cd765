package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/hookferry/hookferry/internal/event"
)

// Proxy is the proxy for requests to targets. Its Addr is "" if there is none.
type Proxy struct {
	Addr     string // host:port
	User     string
	Password event.Secret
}

func proxyOf(field *Proxy) value { return bind(field, parseProxy, Proxy.String) }

var errNotAProxy = errors.New("is not the address of a proxy: write it like http://proxy.internal:3128")

func parseProxy(text string) (Proxy, error) {
	switch begin := knownScheme(text); begin {
	case "http://":
	case "":
		return Proxy{}, errNotAProxy
	default:
		return Proxy{}, fmt.Errorf("begins with %q, but only http:// is supported; requests to https targets are encrypted anyway", begin)
	}
	u, err := parseCredentialURL(text)
	switch {
	case err != nil:
		return Proxy{}, err
	case !isHost(u.Hostname()) || u.Hostname() == "":
		return Proxy{}, errNotAProxy
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return Proxy{}, errors.New("has text after the port: write it like http://proxy.internal:3128")
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
		return Proxy{}, errors.New("has no port: write it like http://proxy.internal:3128")
	}
	password, _ := u.User.Password()
	return Proxy{Addr: net.JoinHostPort(u.Hostname(), u.Port()), User: u.User.Username(), Password: event.Secret(password)}, nil
}

// String returns the proxy's URL without its user name and password.
func (p Proxy) String() string {
	if p.Addr == "" {
		return ""
	}
	if p.User != "" || p.Password != "" {
		return "http://" + hide("user and password") + "@" + p.Addr
	}
	return "http://" + p.Addr
}
