package cli

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthAsksTheService(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("it asks %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	addr := strings.TrimPrefix(server.URL, "http://")
	for _, tt := range []struct {
		status, want int
		why          string
	}{
		{http.StatusOK, 0, "ready"},
		{http.StatusServiceUnavailable, 1, "not ready"},
	} {
		status = tt.status
		var out, errOut strings.Builder
		if got := Run(t.Context(), []string{"health", "--addr", addr}, strings.NewReader(""), &out, &errOut); got != tt.want {
			t.Errorf("%s: exit status %d, want %d: %s%s", tt.why, got, tt.want, out.String(), errOut.String())
		}
	}
	server.Close()
	var out, errOut strings.Builder
	if got := Run(t.Context(), []string{"health", "--addr", addr}, strings.NewReader(""), &out, &errOut); got != 1 || !strings.Contains(errOut.String(), addr+" does not respond: nothing listens there") {
		t.Errorf("nothing listens: exit status %d: %s", got, errOut.String())
	}
}

func TestServiceURL(t *testing.T) {
	for _, tt := range []struct{ addr, want, why string }{
		{":8000", "http://127.0.0.1:8000", "all addresses, which include loopback"},
		{"0.0.0.0:8000", "http://127.0.0.1:8000", "the same, written out"},
		{"[::]:8000", "http://127.0.0.1:8000", "all IPv6 addresses"},
		{"10.1.2.3:80", "http://10.1.2.3:80", "a single address"},
		{"localhost:80", "http://localhost:80", "a name"},
	} {
		if got := serviceURL(tt.addr); got != tt.want {
			t.Errorf("%s: %s gives %s, want %s", tt.why, tt.addr, got, tt.want)
		}
	}
}
