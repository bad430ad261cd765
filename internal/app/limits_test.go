package app_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/test/await"
)

// While an endpoint is dead, its backlog grows up to the limit, and other subscriptions are not
// affected. When the subscription is deleted, there is capacity again.
func TestTheBacklogIsBoundedAndOthersGoOn(t *testing.T) {
	healthy := receive(t, "", nil)
	s := start(t, t.TempDir(), "HOOKFERRY_MAX_PENDING=1000", "HOOKFERRY_MAX_PENDING_PER_SUBSCRIPTION=5", "WEBHOOK_RETRY_SCHEDULE=1h")
	dead := s.subscribe(map[string]any{"target_url": "http://127.0.0.1:1/"})
	good := s.subscribe(map[string]any{"target_url": healthy.URL})
	await.NoError(t, func() error {
		status, header, answer := s.call("POST", "/webhooks/ingest/"+dead, created)
		if status == http.StatusAccepted {
			return fmt.Errorf("the dead endpoint's events are still accepted")
		}
		if status != http.StatusTooManyRequests || answer["code"] != "backlog_full" || header.Get("Retry-After") != "30" ||
			!strings.Contains(fmt.Sprint(answer["detail"]), "HOOKFERRY_MAX_PENDING_PER_SUBSCRIPTION is 5") {
			t.Fatalf("refused with %d %v %v", status, header, answer)
		}
		return nil
	})
	s.settled(s.publish(good, created))
	s.want(204, "DELETE", "/subscriptions/"+dead, nil)
	s.settled(s.publish(good, created))

	res, err := http.Get("http://" + s.AdminAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(text), `hookferry_requests_refused_total{status="429"} 1`) {
		t.Errorf("the refusal is not counted: %v\n%s", err, text)
	}
}

// Without a key, the service accepts only requests to this machine's names, on both addresses.
func TestDevAnswersThisMachineOnly(t *testing.T) {
	s := start(t, t.TempDir())
	for _, url := range []string{s.url + "/subscriptions/", "http://" + s.AdminAddr() + "/metrics"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "evil.example"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s responds with %d to a foreign host", url, res.StatusCode)
		}
	}
}
