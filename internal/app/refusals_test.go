package app

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/api"
	"github.com/hookferry/hookferry/internal/telemetry"
)

// TestEachReasonHasASeries: the metrics have a series for each reason of the API.
func TestEachReasonHasASeries(t *testing.T) {
	m := telemetry.NewMetrics("test", nil)
	w := httptest.NewRecorder()
	for _, reason := range api.KeyRefusals() {
		m.KeyRefused(reason)
	}
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range api.KeyRefusals() {
		if line := `hookferry_keys_refused_total{reason="` + reason + `"} 1`; !strings.Contains(string(text), line) {
			t.Errorf("there is no %s", line)
		}
	}
}
