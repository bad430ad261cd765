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

var errNotAnAddr = errors.New("is not an address to listen on: write it like :8000 (every network), 127.0.0.1:8000 or [::1]:8000")

func parseAddr(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || !isHost(host) {
		return "", errNotAnAddr
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("has the port %q: a port is a number from 1 to 65535, or 0 for any that is free", port)
	}
	return text, nil
}

func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}

// isLoopback reports whether only this machine can reach what listens there.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// collide reports whether two addresses can't both be listened on.
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

// everyNetwork is what the word "all" stands for. The networks themselves are
// refused: nobody is to switch the guard off by a slip in a mask.
func everyNetwork() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
}

func networksOf(field *[]netip.Prefix) value { return bind(field, parseNetworks, showNetworks) }

func parseNetworks(text string) ([]netip.Prefix, error) {
	if text == "" {
		return nil, nil
	}
	if strings.EqualFold(text, "all") {
		return everyNetwork(), nil
	}
	var networks []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		network, err := parseNetwork(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("has the entry %q, which %w", clip(part), err)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if strings.EqualFold(text, "all") {
		return netip.Prefix{}, errors.New("stands beside others: write it alone, or leave it out")
	}
	network, err := netip.ParsePrefix(text)
	if ip, ipErr := netip.ParseAddr(text); ipErr == nil && ip.Zone() == "" {
		network, err = netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	if err != nil {
		return netip.Prefix{}, errors.New("is not a network: write it like 10.0.0.0/8, fd00::/8, or 10.1.2.3 for one address")
	}
	network = unmap(network)
	switch masked := network.Masked(); {
	case network.Bits() == 0:
		return netip.Prefix{}, errors.New("allows every address: name the networks that you need, or write the word all alone if you mean it")
	case masked != network:
		return netip.Prefix{}, fmt.Errorf("is neither a network nor an address: write %v for the network or %v for the address", masked, network.Addr())
	}
	return network, nil
}

// unmap makes an IPv4 network of one in IPv6's clothes (::ffff:10.0.0.0/104), as
// which it would be compared with nothing.
func unmap(network netip.Prefix) netip.Prefix {
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		return netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network
}

func showNetworks(networks []netip.Prefix) string {
	parts := make([]string, len(networks))
	for i, network := range networks {
		if network.Bits() == 0 {
			return "all"
		}
		parts[i] = network.String()
	}
	return strings.Join(parts, ",")
}
