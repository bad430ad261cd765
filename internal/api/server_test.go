package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hookferry/hookferry/internal/event"
)

var testTime = time.Date(2026, 11, 23, 17, 44, 0, 0, time.UTC)

// Texts that no response and no log line may contain.
const (
	testSecret     = "s3cr3t-that-must-stay-inside"
	testCredential = "cr3dential-that-must-stay-inside"
)

// server is the API behind a real HTTP server.
type server struct {
	*testing.T
	*httptest.Server
	memory *memory
	log    *safeBuffer
	key    string
}

func newServer(t *testing.T, change ...func(*Options)) *server {
	t.Helper()
	s := &server{T: t, memory: &memory{}, log: &safeBuffer{}}
	o := testOptions(s.memory)
	o.Log = slog.New(slog.NewTextHandler(s.log, nil))
	for _, c := range change {
		c(&o)
	}
	s.Server = httptest.NewServer(newHandler(t, o))
	t.Cleanup(s.Server.Close)
	t.Cleanup(func() {
		if text := s.log.String(); strings.Contains(text, testSecret) || strings.Contains(text, testCredential) || strings.Contains(text, testKey) {
			t.Errorf("the log contains a secret:\n%s", text)
		}
	})
	return s
}

func newHandler(t testing.TB, o Options) http.Handler {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// handler is what the server serves.
func (s *server) handler() *api { return s.Config.Handler.(*api) }

func testOptions(m *memory) Options {
	var mu sync.Mutex
	now := testTime
	return Options{Backend: Backend{Ingest: m, Publish: m, Tenants: m, EventTypes: m, Subscriptions: m, History: m, KeyStore: m}, Config: Config{
		Version: "1.2.3", Retention: 72 * time.Hour,
		CheckTarget: func(target string) error {
			if strings.Contains(target, "10.0.0.") {
				return errors.New("is a private address (RFC 1918), which may not be called")
			}
			return nil
		},
		Health: func(context.Context) Health {
			return Health{Status: StatusOK, Version: "1.2.3", UptimeSeconds: 12.5, Components: map[string]Component{"database": {Status: StatusOK, LatencyMS: 0.3}}}
		},
		Integrity: func(context.Context) (Integrity, error) {
			at := testTime
			return Integrity{
				Status: StatusDegraded, CheckedAt: testTime, TookMS: 1.5, Deliveries: map[string]int{"pending": 1},
				Findings: []Finding{{Rule: "due_is_claimed", Found: 1000, AtLeast: true, What: "deliveries", Oldest: event.NewID(testTime).String(), OldestAt: &at, Advice: "Start a worker."}},
			}, nil
		},
		Ready: func() error { return nil },
		Now: func() time.Time { // later each time, so that ids sort by creation
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(time.Second + 123456*time.Nanosecond)
			return now
		},
	}}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// reply is a response that was read.
type reply struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// code returns the code of a problem, or "".
func (r reply) code() string {
	code, _ := r.json["code"].(string)
	return code
}

// field returns the message about a field, or "". If two headers differ only in case, the message
// may name either.
func (r reply) field(name string) string {
	list, _ := r.json["errors"].([]any)
	for _, e := range list {
		if entry := e.(map[string]any); strings.EqualFold(entry["field"].(string), name) {
			return entry["message"].(string)
		}
	}
	return ""
}

// do sends a request, as JSON unless the headers ("Name: value") say otherwise. It checks what must
// be true of every response.
func (s *server) do(method, path, body string, headers ...string) reply {
	s.Helper()
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.key != "" {
		req.Header.Set("Authorization", "Bearer "+s.key)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if req.Header.Set(name, value); value == "" {
			req.Header.Del(name)
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // a client would follow redirects
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	return readReply(s.T, method+" "+path, resp, text)
}

// readReply returns a response, and checks what must be true of each.
func readReply(t *testing.T, request string, resp *http.Response, text []byte) reply {
	t.Helper()
	r := reply{status: resp.StatusCode, header: resp.Header, text: string(text)}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") && len(text) > 0 {
		if err := json.Unmarshal(text, &r.json); err != nil {
			t.Errorf("%s: the response is not a JSON object: %v\n%s", request, err, text)
		}
		if text[len(text)-1] != '\n' || strings.HasSuffix(string(text), "\n\n") {
			t.Errorf("%s: the response does not end with one line end: %q", request, text)
		}
	}
	method, _, _ := strings.Cut(request, " ")
	checkReply(t, method, r)
	return r
}

// direct is do without a connection, for tests with thousands of requests.
func (s *server) direct(method, path, body string) reply {
	s.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.key)
	w := httptest.NewRecorder()
	s.Config.Handler.ServeHTTP(w, req)
	return readReply(s.T, method+" "+path, w.Result(), w.Body.Bytes())
}

// internals are names from the code and its libraries, which responses must not contain.
var internals = regexp.MustCompile(`jsontext|json:|\bapi\.|event\.|reflect|goroutine|runtime|SELECT|INSERT|\.go\b|/internal/|map\[|%!`)

func checkReply(t *testing.T, method string, r reply) {
	t.Helper()
	for _, secret := range []string{testSecret, testCredential, testKey} {
		if strings.Contains(r.text, secret) {
			t.Errorf("a response contains a secret: %s", r.text)
		}
	}
	if got := r.header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options is %q", got)
	}
	if r.status < 400 || r.json["components"] != nil { // a 503 of /health has the body of a 200
		return
	}
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%d has Content-Type %q", r.status, got)
	}
	if method == http.MethodHead {
		return
	}
	if r.json["status"] != float64(r.status) || r.json["title"] == "" || r.json["detail"] == "" || r.json["type"] != "urn:hookferry:problem:"+r.code() || r.code() == "" {
		t.Errorf("an incomplete problem: %s", r.text)
	}
	if found := internals.FindString(r.text); found != "" {
		t.Errorf("a problem mentions internals (%q): %s", found, r.text)
	}
	if len(r.text) > 16<<10 {
		t.Errorf("a problem has %d bytes: %.300s…", len(r.text), r.text)
	}
}

// want fails the test unless the response has the status.
func (s *server) want(status int, r reply) reply {
	s.Helper()
	if r.status != status {
		s.Fatalf("status is %d, want %d: %s", r.status, status, r.text)
	}
	return r
}

// create creates a subscription and returns its id.
func (s *server) create(body string) string {
	s.Helper()
	return s.want(201, s.do("POST", "/subscriptions/", body)).json["id"].(string)
}

// ingest publishes an event and returns the id of its delivery.
func (s *server) ingest(subscription string) event.ID {
	s.Helper()
	r := s.want(202, s.do("POST", "/webhooks/ingest/"+subscription, `{"event":"user.created","data":{"id":1}}`))
	id, err := event.ParseID(r.json["delivery_id"].(string))
	if err != nil {
		s.Fatal(err)
	}
	return id
}
