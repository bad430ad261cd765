package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// everyNetwork returns the networks that the word "all" stands for. A setting can't contain them
// otherwise, so that a typo in a mask does not switch the guard off.
func everyNetwork() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
}

// allowedOf binds the networks that may be called in addition to the public ones.
func allowedOf(field *[]netip.Prefix) value {
	return bind(field, func(text string) ([]netip.Prefix, error) {
		if strings.EqualFold(text, "all") {
			return everyNetwork(), nil
		}
		return parseNetworks(text, parseAllowed)
	}, showAllowed)
}

// deniedOf binds the networks that are never called. They may include all of IPv4 or IPv6.
func deniedOf(field *[]netip.Prefix) value {
	return bind(field, func(text string) ([]netip.Prefix, error) { return parseNetworks(text, parseNetwork) }, showNetworks)
}

func parseNetworks(text string, parse func(string) (netip.Prefix, error)) ([]netip.Prefix, error) {
	if text == "" {
		return nil, nil
	}
	var networks []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		network, err := parse(strings.TrimSpace(part))
		if err != nil && hasOtherSeparators(text) {
			return nil, errors.New("is not a list of networks: separate networks with commas and nothing else, like 10.0.0.0/8,192.168.1.7")
		}
		if err != nil {
			return nil, fmt.Errorf("has the entry %q, which %w", event.Clip(part, event.MaxQuoted), err)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// nat64Local returns the range for a network's own NAT64 prefixes (RFC 8215).
func nat64Local() netip.Prefix { return netip.MustParsePrefix("64:ff9b:1::/48") }

func parseAllowed(text string) (netip.Prefix, error) {
	if strings.EqualFold(text, "all") {
		return netip.Prefix{}, errors.New("can't be combined with other entries: write it alone, or leave it out")
	}
	network, err := parseNetwork(text)
	switch {
	case err != nil:
		return netip.Prefix{}, err
	case network.Bits() == 0:
		return netip.Prefix{}, errors.New("allows every address: name the networks that you need, or write only the word all")
	case network.Bits() < 96 && network.Overlaps(nat64Local()):
		return netip.Prefix{}, errors.New("contains NAT64 prefixes of every length, so it is not clear which IPv4 addresses are meant: name the /96 of your translator")
	}
	return network, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if ip, ipErr := netip.ParseAddr(text); ipErr == nil && ip.Zone() == "" {
		network, err = netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	if err != nil {
		return netip.Prefix{}, errors.New("is not a network: write it like 10.0.0.0/8, fd00::/8, or 10.1.2.3 for one address")
	}
	network = unmap(network)
	if masked := network.Masked(); masked != network {
		return netip.Prefix{}, fmt.Errorf("is neither a network nor an address: write %v for the network or %v for the address", masked, network.Addr())
	}
	return network, nil
}

// unmap converts an IPv4-mapped IPv6 network (::ffff:10.0.0.0/104) to IPv4, because it would match
// no address otherwise.
func unmap(network netip.Prefix) netip.Prefix {
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		return netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network
}

func showAllowed(networks []netip.Prefix) string {
	if slices.Equal(networks, everyNetwork()) {
		return "all"
	}
	return showNetworks(networks)
}

func showNetworks(networks []netip.Prefix) string {
	parts := make([]string, len(networks))
	for i, network := range networks {
		parts[i] = network.String()
	}
	return strings.Join(parts, ",")
}

// portsOf binds the ports that may be called; the word "all" stands for every port.
func portsOf(field *[]event.PortRange) value { return bind(field, parsePorts, showPorts) }

func everyPort() event.PortRange { return event.PortRange{First: 1, Last: 65535} }

func parsePorts(text string) ([]event.PortRange, error) {
	if strings.EqualFold(text, "all") {
		return []event.PortRange{everyPort()}, nil
	}
	var ports []event.PortRange
	for part := range strings.SplitSeq(text, ",") {
		r, ok := parsePortRange(strings.TrimSpace(part))
		if !ok && hasOtherSeparators(text) {
			return nil, errors.New("is not a list of ports: separate ports with commas and nothing else, like 80,443,1024-65535")
		}
		if !ok {
			return nil, fmt.Errorf("has the entry %q, which is not a port or a port range: write it like 443 or 1024-65535, or write only the word all", event.Clip(part, event.MaxQuoted))
		}
		ports = append(ports, r)
	}
	return ports, nil
}

func parsePortRange(text string) (event.PortRange, bool) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, fromErr := strconv.ParseUint(first, 10, 16)
	to, toErr := strconv.ParseUint(last, 10, 16)
	ok := fromErr == nil && toErr == nil && from > 0 && from <= to
	return event.PortRange{First: uint16(from), Last: uint16(to)}, ok
}

func showPorts(ports []event.PortRange) string {
	if slices.Equal(ports, []event.PortRange{everyPort()}) {
		return "all"
	}
	parts := make([]string, len(ports))
	for i, r := range ports {
		parts[i] = r.String()
	}
	return strings.Join(parts, ",")
}
