package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/keys"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/webhook"
)

// instance is a service in this process.
type instance struct {
	*app.App
	t    *testing.T
	url  string
	dir  string
	key  string // API key, or ""
	stop func() // stops it and waits until it has stopped
}

// start runs a service on free ports with its database in dir. Settings are environment variables.
func start(t *testing.T, dir string, settings ...string) *instance {
	t.Helper()
	i := launch(t, load(t, dir, settings...), testLog{t})
	i.dir = dir
	return i
}

// launch runs a service until the test ends or stop is called, and logs everything.
func launch(t *testing.T, cfg config.Config, log io.Writer) *instance {
	t.Helper()
	a, err := app.New(t.Context(), cfg, "test", slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	i := &instance{App: a, t: t, url: "http://" + a.Addr()}
	i.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(i.stop)
	return i
}

func load(t *testing.T, dir string, settings ...string) config.Config {
	t.Helper()
	environ := append([]string{"HOOKFERRY_ADMIN_ADDR=127.0.0.1:0", "HOOKFERRY_DATA=" + dir}, settings...)
	cfg, err := config.Load(environ, "", config.Overrides{Dev: true, Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// withStore uses the database like a command. A service may be running on it.
func withStore(t *testing.T, cfg config.Config, use func(store.Store) error) {
	t.Helper()
	s, err := app.OpenForCommand(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(use(s), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// makeKey creates an API key like the command line.
func makeKey(t *testing.T, cfg config.Config, wanted keys.Wanted) (text string, k event.APIKey) {
	t.Helper()
	text, k, err := keys.New(wanted, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	withStore(t, cfg, func(s store.Store) error { return s.CreateKey(t.Context(), k) })
	return text, k
}

// testLog shows the log of a service if the test fails.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	if os.Getenv("HOOKFERRY_TEST_LOG") != "" {
		l.t.Output().Write(p)
	}
	return len(p), nil
}

// call sends a request and reads the response. body is nil, a string, or a value to encode as JSON.
func (i *instance) call(method, path string, body any) (status int, header http.Header, answer map[string]any) {
	i.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			i.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(i.t.Context(), method, i.url+path, in)
	if err != nil {
		i.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if i.key != "" {
		req.Header.Set("Authorization", "Bearer "+i.key)
	}
	return i.do(req)
}

func (i *instance) do(req *http.Request) (int, http.Header, map[string]any) {
	i.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	var answer map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			i.t.Fatalf("%s %s: %d with %q, which is no JSON object: %v", req.Method, req.URL.Path, res.StatusCode, text, err)
		}
	}
	return res.StatusCode, res.Header, answer
}

// want is call for a response that must have the status.
func (i *instance) want(status int, method, path string, body any) map[string]any {
	i.t.Helper()
	got, _, answer := i.call(method, path, body)
	if got != status {
		i.t.Fatalf("%s %s: %d %v, want %d", method, path, got, answer, status)
	}
	return answer
}

// subscribe creates a subscription and returns its id.
func (i *instance) subscribe(fields map[string]any) string {
	i.t.Helper()
	return i.want(http.StatusCreated, "POST", "/subscriptions/", fields)["id"].(string)
}

// publish publishes an event and returns the id of its delivery.
func (i *instance) publish(subscription, body string) string {
	i.t.Helper()
	return i.want(http.StatusAccepted, "POST", "/webhooks/ingest/"+subscription, body)["delivery_id"].(string)
}

// settled waits until a delivery is not pending any more, or has made a number of attempts.
func (i *instance) settled(delivery string) map[string]any {
	i.t.Helper()
	return i.until(delivery, func(d map[string]any) bool { return d["status"] != "pending" })
}

func (i *instance) until(delivery string, ok func(map[string]any) bool) map[string]any {
	i.t.Helper()
	var d map[string]any
	await.NoError(i.t, func() error {
		if d = i.want(http.StatusOK, "GET", "/status/delivery/"+delivery, nil); !ok(d) {
			return fmt.Errorf("delivery %v", d)
		}
		return nil
	})
	return d
}

// endpoint records the requests that it gets, and verifies each signature.
type endpoint struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
}

type request struct {
	id, body string
	header   http.Header
	verdict  error
}

func (r *endpoint) got() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.requests...)
}

// receive starts an endpoint. respond sends the n-th response, starting at 1; if it is nil, all are
// 200.
func receive(t *testing.T, secret string, respond func(w http.ResponseWriter, r *http.Request, n int)) *endpoint {
	t.Helper()
	rec := &endpoint{}
	var verifier *webhook.Verifier
	if secret != "" {
		v, err := webhook.NewVerifier([]string{secret})
		if err != nil {
			t.Fatal(err)
		}
		verifier = v
	}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got := request{id: r.Header.Get(webhook.HeaderID), body: string(body), header: r.Header}
		if verifier != nil {
			got.verdict = verifier.Verify(r.Header, body)
		}
		rec.mu.Lock()
		rec.requests = append(rec.requests, got)
		n := len(rec.requests)
		rec.mu.Unlock()
		if respond != nil {
			respond(w, r, n)
		}
	}))
	t.Cleanup(rec.Close)
	return rec
}
