package telemetry

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAdminRoutes(t *testing.T) {
	m := NewMetrics("1.2.3", noDepth)
	m.Accepted()
	server := httptest.NewServer(AdminHandler(m))
	defer server.Close()

	for _, c := range []struct {
		reason, method, path string
		status               int
		contains             string
	}{
		{"what is here", "GET", "/", 200, "/debug/pprof/"},
		{"a counter", "GET", "/metrics", 200, "hookferry_events_accepted_total 1\n"},
		{"a label's series before its first count", "GET", "/metrics", 200, `hookferry_attempts_total{outcome="dns_error"} 0` + "\n"},
		{"what runs", "GET", "/metrics", 200, `version="1.2.3"`},
		{"the Go collector", "GET", "/metrics", 200, "go_goroutines "},
		{"the process collector", "GET", "/metrics", 200, "process_start_time_seconds "},
		{"the list of profiles", "GET", "/debug/pprof/", 200, "goroutine"},
		{"a profile by its name", "GET", "/debug/pprof/goroutine?debug=1", 200, "goroutine profile:"},
		{"the command line", "GET", "/debug/pprof/cmdline", 200, ""},
		{"symbols", "GET", "/debug/pprof/symbol", 200, "num_symbols"},
		{"no such profile", "GET", "/debug/pprof/nonsense", 404, ""},
		{"nothing is here", "GET", "/nonsense", 404, ""},
		{"metrics are only read", "POST", "/metrics", 405, ""},
	} {
		request, err := http.NewRequest(c.method, server.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != c.status || !strings.Contains(string(body), c.contains) {
			t.Errorf("%s: %s %s responded with %d %.200q, want %d and %q", c.reason, c.method, c.path, response.StatusCode, body, c.status, c.contains)
		}
	}
}

func TestPrometheusGetsNativeHistograms(t *testing.T) {
	request := httptest.NewRequest("GET", "/metrics", nil)
	request.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	answer := httptest.NewRecorder()
	NewMetrics("test", nil).Handler().ServeHTTP(answer, request)
	if got := answer.Header().Get("Content-Type"); answer.Code != 200 || !strings.HasPrefix(got, "application/vnd.google.protobuf") {
		t.Errorf("responded with %d as %q, want 200 and the format that native histograms need", answer.Code, got)
	}
}
