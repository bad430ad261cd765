package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

func addrOf(field *string) value { return bind(field, parseAddr, asIs) }

func adminAddrOf(field *string) value {
	return bind(field, func(text string) (string, error) {
		if text == "" || strings.EqualFold(text, "off") {
			return "", nil
		}
		return parseAddr(text)
	}, func(addr string) string {
		if addr == "" {
			return "off"
		}
		return addr
	})
}

var errNotAnAddr = errors.New("is not an address to listen on: write it like :8000 (all networks), 127.0.0.1:8000 or [::1]:8000")

func parseAddr(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || !isHost(host) {
		return "", errNotAnAddr
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("has the port %q: a port is a number from 1 to 65535, or 0 for any free port", port)
	}
	return text, nil
}

func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}

// isLoopback reports whether only this machine can reach a listener at addr.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// collide reports whether no process can listen on both addresses.
func collide(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	if portA != portB || isAnyPort(portA) {
		return false
	}
	return hostA == hostB || isEveryHost(hostA) || isEveryHost(hostB)
}

func isAnyPort(port string) bool {
	n, err := strconv.Atoi(port)
	return err == nil && n == 0
}

func isEveryHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}
