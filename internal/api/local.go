package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// LocalOnly is for a service that asks for no key, because it listens on this machine
// alone. The browser on this machine is still anybody's: a page from elsewhere may make
// it send requests here, under the page's own host name once that leads to 127.0.0.1
// (DNS rebinding). So the Host must name this machine, and a request that changes
// something must not come from a page of another origin.
func LocalOnly(next http.Handler) http.Handler {
	var origins http.CrossOriginProtection
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isThisMachine(r.Host):
			writeProblem(w, newProblem(http.StatusForbidden, "foreign_host",
				"This service asks for no key, so it answers only under the names of this machine: call it as localhost or 127.0.0.1, or start it without --dev."))
		case origins.Check(r) != nil:
			writeProblem(w, newProblem(http.StatusForbidden, "cross_origin",
				"This service asks for no key, so it takes nothing from a web page of another origin: call it from the same origin or from a program, or start it without --dev."))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isThisMachine reports whether a Host header names the loopback.
func isThisMachine(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") { // RFC 6761: never looked up elsewhere
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}
