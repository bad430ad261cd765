package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// LocalOnly protects a service that needs no key because it listens only on this machine. A browser
// on this machine can still open a stranger's page, which can send requests here under its own host
// name if that name resolves to 127.0.0.1 (DNS rebinding). So LocalOnly refuses a Host that does
// not name this machine, and a request from a page of another origin that would change something.
func LocalOnly(next http.Handler) http.Handler {
	var origins http.CrossOriginProtection
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isThisMachine(r.Host):
			writeProblem(w, newProblem(http.StatusForbidden, "foreign_host",
				"This service needs no key, so it accepts only requests to this machine's own names: call it as localhost or 127.0.0.1, or start it without --dev."))
		case origins.Check(r) != nil:
			writeProblem(w, newProblem(http.StatusForbidden, "cross_origin",
				"This service needs no key, so it refuses requests from web pages of another origin: call it from the same origin or from a program, or start it without --dev."))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isThisMachine reports whether a Host header names the loopback interface.
func isThisMachine(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") { // RFC 6761: never resolved by DNS
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}
