package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWithoutAKeyOnlyThisMachineIsServed(t *testing.T) {
	h := LocalOnly(newHandler(t, testOptions(&memory{})))
	for _, c := range []struct {
		why, method, host, header string
		status                    int
	}{
		{"by name", "GET", "localhost:8000", "", 200},
		{"by name, in capitals, with a dot", "GET", "LOCALHOST.:8000", "", 200},
		{"a subdomain of it", "GET", "hooks.localhost", "", 200},
		{"by address", "GET", "127.0.0.1:8000", "", 200},
		{"by another address of the loopback", "GET", "127.9.9.9", "", 200},
		{"by IPv6", "GET", "[::1]:8000", "", 200},
		{"by IPv6, without a port", "GET", "[::1]", "", 200},
		{"by an IPv4 address in IPv6", "GET", "[::ffff:127.0.0.1]:8000", "", 200},
		{"a host name of a page that resolves to this machine (DNS rebinding)", "GET", "evil.example:8000", "", 403},
		{"a host that only begins with localhost", "GET", "localhost.evil.example", "", 403},
		{"a host that only ends with localhost", "GET", "notlocalhost", "", 403},
		{"an address outside the loopback network", "GET", "192.168.1.1:8000", "", 403},
		{"no host at all", "GET", "", "", 403},
		{"a page of this origin", "POST", "localhost:8000", "Sec-Fetch-Site: same-origin", 422},
		{"a program", "POST", "localhost:8000", "", 422},
		{"a page of another site", "POST", "localhost:8000", "Sec-Fetch-Site: cross-site", 403},
		{"a page of another port", "POST", "localhost:8000", "Sec-Fetch-Site: same-site", 403},
		{"a page of another origin, in an old browser", "POST", "localhost:8000", "Origin: http://evil.example", 403},
		{"a page that only reads", "GET", "localhost:8000", "Sec-Fetch-Site: cross-site", 200}, // but it can't read the response, which has no CORS header
	} {
		path, body := "/subscriptions/", ""
		if c.method == "POST" {
			body = `{}`
		}
		r := httptest.NewRequest(c.method, path, strings.NewReader(body))
		r.Host = c.host
		if name, value, found := strings.Cut(c.header, ": "); found {
			r.Header.Set(name, value)
		}
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %s, want %d", c.why, w.Code, w.Body, c.status)
		}
		if c.status == http.StatusForbidden && !strings.Contains(w.Body.String(), "--dev") {
			t.Errorf("%s: the response does not say what to do: %s", c.why, w.Body)
		}
	}
}
