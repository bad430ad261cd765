package send

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

func TestAChangedSubscriptionIsPreparedAgain(t *testing.T) {
	t.Parallel()
	sub := subscription("http://a.example/1")
	sub.Secrets = []event.Secret{"one"}
	sub.Headers = map[string]string{"X-A": "1"}
	c := targets{guard: NewGuard(Rules{}), byID: make(map[event.ID]*target)}
	first := c.get(&sub)
	if c.get(&sub) != first {
		t.Error("an unchanged one was prepared twice")
	}
	changes := map[string]func(){
		"the URL":            func() { sub.TargetURL = "http://a.example/2" },
		"a secret":           func() { sub.Secrets = []event.Secret{"two", "one"} },
		"a secret, in place": func() { sub.Secrets[0] = "three" },
		"no secrets":         func() { sub.Secrets = nil },
		"a header":           func() { sub.Headers = map[string]string{"X-A": "2"} },
		"a header, in place": func() { sub.Headers["X-A"] = "3" },
		"no headers":         func() { sub.Headers = nil },
	}
	for _, name := range []string{"the URL", "a secret", "a secret, in place", "no secrets", "a header", "a header, in place", "no headers"} {
		before := c.get(&sub)
		changes[name]()
		if c.get(&sub) == before {
			t.Errorf("%s: the prepared target is out of date", name)
		}
	}
	if len(c.byID) != 1 {
		t.Errorf("%d targets are kept for one subscription", len(c.byID))
	}
}

func TestPreparedSubscriptionsAreBounded(t *testing.T) {
	t.Parallel()
	c := targets{guard: NewGuard(Rules{}), byID: make(map[event.ID]*target)}
	for range maxTargets + 10 {
		c.put(event.NewID(time.Now()), &target{})
	}
	if len(c.byID) != maxTargets {
		t.Errorf("%d are kept, want %d", len(c.byID), maxTargets)
	}
}

func TestRequestLineAndHost(t *testing.T) {
	t.Parallel()
	tests := []struct{ reason, url, line, host, address string }{
		{"http and its default port", "http://a.example:80/x", "POST /x HTTP/1.1", "a.example", "a.example:80"},
		{"https and its default port", "https://a.example:443/x", "POST /x HTTP/1.1", "a.example", "a.example:443"},
		{"https with the port of http", "https://a.example:80/", "POST / HTTP/1.1", "a.example:80", "a.example:80"},
		{"http with the port of https", "http://a.example:443/", "POST / HTTP/1.1", "a.example:443", "a.example:443"},
		{"another port", "http://127.0.0.1:21100/", "POST / HTTP/1.1", "127.0.0.1:21100", "127.0.0.1:21100"},
		{"a zero before the port", "http://127.0.0.1:021100/", "POST / HTTP/1.1", "127.0.0.1:21100", "127.0.0.1:21100"},
		{"zeros before the default port", "https://a.example:000443/", "POST / HTTP/1.1", "a.example", "a.example:443"},
		{"no path", "https://a.example", "POST / HTTP/1.1", "a.example", "a.example:443"},
		{"a query without a path", "https://a.example?a=b", "POST /?a=b HTTP/1.1", "a.example", "a.example:443"},
		{"an empty query", "https://a.example/?", "POST /? HTTP/1.1", "a.example", "a.example:443"},
		{"escapes are unchanged", "https://a.example/a%2Fb%3A?x=%20&y=%zz", "POST /a%2Fb%3A?x=%20&y=%zz HTTP/1.1", "a.example", "a.example:443"},
		{"dots and slashes are unchanged", "https://a.example//a/../b/./", "POST //a/../b/./ HTTP/1.1", "a.example", "a.example:443"},
		{"IPv6", "http://[2a00::1]/", "POST / HTTP/1.1", "[2a00::1]", "[2a00::1]:80"},
		{"IPv6 and the default port", "https://[2a00::1]:443/", "POST / HTTP/1.1", "[2a00::1]", "[2a00::1]:443"},
		{"IPv6 and another port", "https://[2a00::1]:8443/", "POST / HTTP/1.1", "[2a00::1]:8443", "[2a00::1]:8443"},
		{"an international name in its ASCII form", "https://xn--bcher-kva.example/", "POST / HTTP/1.1", "xn--bcher-kva.example", "xn--bcher-kva.example:443"},
		{"the dot of the DNS root", "https://a.example./", "POST / HTTP/1.1", "a.example.", "a.example.:443"},
		{"the scheme in capitals", "HTTPS://a.example:443/", "POST / HTTP/1.1", "a.example", "a.example:443"},
	}
	guard := NewGuard(Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for _, tt := range tests {
		sub := subscription(tt.url)
		target := prepare(&sub, "Hookferry/test", guard)
		if target.problem != "" {
			t.Errorf("%s: %s", tt.reason, target.problem)
			continue
		}
		lines := strings.Split(string(target.head), "\r\n")
		if lines[0] != tt.line || lines[1] != "Host: "+tt.host || target.address != tt.address {
			t.Errorf("%s: got %q, dialled at %s", tt.reason, lines, target.address)
		}
	}
}
