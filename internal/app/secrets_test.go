package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/keys"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/webhook"
)

// planted are texts that must not appear anywhere, in any form.
type planted map[string]string // description → text

// find returns which of them a text contains.
func (p planted) find(text []byte) (found []string) {
	for what, secret := range p {
		for _, form := range forms(secret) {
			if bytes.Contains(text, []byte(form)) {
				found = append(found, what)
				break
			}
		}
	}
	return found
}

// forms returns the forms in which a secret might be written: itself, hex, and base64 in both
// alphabets, at any position in a longer text. Of each base64 form, it returns the part that does
// not depend on the neighbouring bytes.
func forms(secret string) []string {
	all := []string{secret, hex.EncodeToString([]byte(secret))}
	for before := range 3 {
		text := strings.Repeat("-", before) + secret
		whole := len(text) / 3 * 4      // characters that do not depend on what follows
		first := []int{0, 2, 3}[before] // and that do not depend on what precedes
		for _, alphabet := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			all = append(all, alphabet.EncodeToString([]byte(text))[first:whole])
		}
	}
	return all
}

// journal is a log in memory.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// secretive returns the settings of a service that needs keys and may call this machine.
func secretive(t *testing.T, dir string, settings ...string) config.Config {
	t.Helper()
	cfg, err := config.Load(append([]string{
		"HOOKFERRY_DATA=" + dir, "HOOKFERRY_ADMIN_ADDR=127.0.0.1:0", "HOOKFERRY_ALLOW_TARGETS=127.0.0.0/8", "HOOKFERRY_SHUTDOWN_GRACE=2s", "WEBHOOK_RETRY_SCHEDULE=1h",
	}, settings...), "", config.Overrides{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestSecretsAppearNowhere plants a secret of every kind, uses every feature once, and searches
// every response, the whole log, the metrics and all files for each secret.
func TestSecretsAppearNowhere(t *testing.T) {
	const whsec = "whsec_cGxhbnRlZC1zaWduaW5nLXNlY3JldC1vbmU="
	p := planted{
		"a secret": "planted-signing-secret-one", "a secret as it was given": whsec, "a plain secret": "planted-plain-secret-two",
		"a header's value": "Bearer planted-header-three", "another header's value": "planted-header-four",
		"the first API key": "planted-api-key-five-0123456789", "a master key": strings.Repeat("planted-6", 4)[:32], "an old master key": strings.Repeat("planted-7", 4)[:32],
	}
	master := base64.StdEncoding.EncodeToString([]byte(p["a master key"])) + "," + base64.StdEncoding.EncodeToString([]byte(p["an old master key"]))
	settings := []string{"HOOKFERRY_API_KEY=" + p["the first API key"], "HOOKFERRY_MASTER_KEY=" + master}
	log, dir := &journal{}, t.TempDir()
	cfg := secretive(t, dir, settings...)
	made, _ := makeKey(t, cfg, keys.Wanted{Name: "reader", Scope: "read", Expires: "1h"})
	p["a key that was made"] = made
	s := launch(t, cfg, log)

	signed := receive(t, p["a plain secret"]+"-again", nil)
	failing := receive(t, "", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusInternalServerError) })
	good := receive(t, whsec, nil)
	ask := func(status int, key, method, path, body string, headers ...string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(path, "/") {
			req, _ = http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		}
		req.Header.Set("Content-Type", "application/json")
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			req.Header.Set(name, value)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != status {
			t.Fatalf("%s %s: %d %s %v, want %d", method, path, res.StatusCode, text, err, status)
		}
		if found := p.find(fmt.Appendf(text, "%v", res.Header)); len(found) > 0 {
			t.Errorf("%s %s responds with %d with %q: %s", method, path, status, found, text)
		}
		return string(text)
	}
	key := p["the first API key"]
	idOf := func(answer, field string) string {
		_, after, _ := strings.Cut(answer, `"`+field+`":"`)
		return after[:36]
	}
	subscription := func(url, secret string) string {
		return fmt.Sprintf(`{"target_url": %q, "event_types": ["user.*"], "secret": %q, "headers": {"Authorization": %q, "X-Api-Key": %q}}`,
			url, secret, p["a header's value"], p["another header's value"])
	}

	event := `{"event":"user.created","data":{}}`
	one := idOf(ask(201, key, "POST", "/subscriptions/", subscription(good.URL, whsec)), "id")
	two := idOf(ask(201, key, "POST", "/subscriptions/", subscription(failing.URL, p["a plain secret"])), "id")
	ask(200, key, "PUT", "/subscriptions/"+two, subscription(failing.URL, p["a plain secret"]+"-again"))
	three := idOf(ask(201, key, "POST", "/subscriptions/", subscription(signed.URL, p["a plain secret"])), "id")
	ask(200, key, "PUT", "/subscriptions/"+three, subscription(signed.URL, p["a plain secret"]+"-again")) // rotated
	rotated := idOf(ask(202, key, "POST", "/webhooks/ingest/"+three, event), "delivery_id")
	ask(422, key, "POST", "/subscriptions/", subscription("http://10.0.0.1/", p["a plain secret"]))
	ask(422, key, "POST", "/subscriptions/", subscription(good.URL, whsec+"!"))
	ask(400, key, "POST", "/subscriptions/", subscription(good.URL, whsec)[:90])
	ask(200, key, "GET", "/subscriptions/", "")
	ask(200, key, "GET", "/subscriptions/"+one, "")
	delivered := idOf(ask(202, key, "POST", "/webhooks/ingest/"+one, event, "Idempotency-Key: k"), "delivery_id")
	failed := idOf(ask(202, key, "POST", "/webhooks/ingest/"+two, event), "delivery_id")
	ask(202, key, "POST", "/webhooks/ingest/"+one, event, "Idempotency-Key: k")
	ask(422, key, "POST", "/webhooks/ingest/"+one, `{"event":"user.created","data":1}`, "Idempotency-Key: k")
	ask(200, key, "POST", "/webhooks/ingest/"+one, `{"event":"order.paid","data":1}`)
	ask(401, key, "POST", "/webhooks/ingest/"+one, event, "X-Hub-Signature-256: sha256=00")
	ask(401, "", "GET", "/subscriptions/", "")
	ask(401, key+"x", "GET", "/subscriptions/", "")
	ask(404, key, "GET", "/subscriptions/"+delivered, "")
	ask(200, made, "GET", "/subscriptions/"+one, "")
	ask(403, made, "DELETE", "/subscriptions/"+one, "")
	ask(403, made, "POST", "/webhooks/ingest/"+one, event)
	ask(400, key, "PATCH", "/subscriptions/"+one, "")
	ask(200, key, "PATCH", "/subscriptions/"+one, `{"headers": {"Authorization": "[hidden]"}}`)
	await.NoError(t, func() error {
		if text := ask(200, key, "GET", "/status/delivery/"+failed, ""); !strings.Contains(text, `"status_code":500`) {
			return fmt.Errorf("it has not been attempted yet: %s", text)
		}
		for _, id := range []string{delivered, rotated} {
			if text := ask(200, made, "GET", "/status/delivery/"+id, ""); !strings.Contains(text, `"status":"delivered"`) {
				return fmt.Errorf("it has not been delivered yet: %s", text)
			}
		}
		return nil
	})
	for _, path := range []string{"/status/subscription/" + one, "/status/subscription/" + two, "/health", "/health/integrity", "/readyz", "/livez", "/openapi.json", "/docs"} {
		ask(200, key, "GET", path, "")
	}
	for _, path := range []string{"/metrics", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2"} {
		ask(200, "", "GET", "http://"+s.AdminAddr()+path, "")
	}
	ask(204, key, "DELETE", "/subscriptions/"+two, "")

	// The secrets were used: the endpoint got the headers and valid signatures.
	got := good.got()
	if len(got) != 1 || got[0].verdict != nil || got[0].header.Get("Authorization") != p["a header's value"] || got[0].header.Get("X-Api-Key") != p["another header's value"] || got[0].header.Get(webhook.HeaderSignature) == "" {
		t.Errorf("the endpoint got %+v", got)
	}
	if got := signed.got(); len(got) != 1 || got[0].verdict != nil {
		t.Errorf("the endpoint whose secret was rotated got %+v", got)
	}
	searchFiles(t, dir, p)
	s.stop()
	searchFiles(t, dir, p)
	if found := p.find([]byte(log.String())); len(found) > 0 || !strings.Contains(log.String(), failed) {
		t.Errorf("the log contains %q, or not the failed attempt:\n%s", found, log.String())
	}

	for _, bad := range []string{"HOOKFERRY_MASTER_KEY=" + master + "x", "HOOKFERRY_API_KEY=" + p["the first API key"] + " x", "DATABASE_URL=mysql://u:" + p["a plain secret"] + "@h/d"} {
		_, err := config.Load(append(settings, bad), "", config.Overrides{})
		if err == nil || len(p.find([]byte(err.Error()))) > 0 {
			t.Errorf("a bad setting: %v", err)
		}
	}
}

// searchFiles searches all bytes of the database, including its log.
func searchFiles(t *testing.T, dir string, p planted) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := p.find(text); len(found) > 0 {
			t.Errorf("%s contains %q", filepath.Base(file), found)
		}
	}
}
