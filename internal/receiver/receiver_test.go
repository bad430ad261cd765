package receiver

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/hookferry/hookferry/internal/terminal"
	"github.com/hookferry/hookferry/webhook"
)

// listening returns a Receiver that a test can send to.
func listening(t *testing.T, o Options) (*Receiver, *bytes.Buffer) {
	t.Helper()
	if o.Status == 0 {
		o.Status = http.StatusOK
	}
	var out bytes.Buffer
	l, err := New(&out, io.Discard, o)
	if err != nil {
		t.Fatal(err)
	}
	return l, &out
}

// post sends a request, signed with the secret if there is one.
func post(t *testing.T, l *Receiver, id, secret, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/webhook?a=b", strings.NewReader(body))
	if secret != "" {
		signer, err := webhook.NewSigner(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := signer.SignHeader(r.Header, id, time.Now(), []byte(body)); err != nil {
			t.Fatal(err)
		}
	} else if id != "" {
		r.Header.Set(webhook.HeaderID, id)
	}
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return w
}

const user = `{"event":"user.created","data":{"id":123,"name":"Zoë"}}`

func TestReceiverPrints(t *testing.T) {
	long := `{"event":"a","data":"` + strings.Repeat("x", 300) + `"}`
	for _, test := range []struct {
		reason             string
		secret, id, signed string
		body               string
		want               string
	}{
		{"a valid signature", "geheim", "e1", "geheim", user, `TIME  POST /webhook?a=b  user.created
  webhook-id e1  attempt 1
  signature verified
  response 200
    {
      "event": "user.created",
      "data": {
        "id": 123,
        "name": "Zoë"
      }
    }

`},
		{"a secret other than the sender's", "geheim", "e1", "other", `{}`, `TIME  POST /webhook?a=b
  webhook-id e1  attempt 1
  signature WRONG: webhook: bad signature: 1 v1 entries match none of 1 secrets; check that both sides share a secret and that the body is the bytes as they arrived
  response 200
    {}

`},
		{"no signature, although one is expected", "geheim", "", "", `[]`, `TIME  POST /webhook?a=b
  webhook-id none
  signature none
  response 200
    []

`},
		{"no secret to check the signature with", "", "e1", "geheim", ``, `TIME  POST /webhook?a=b
  webhook-id e1  attempt 1
  signature no secret given
  response 200
    (no body)

`},
		{"text that would control the terminal", "", "e\x1b[2J", "", "{\"event\":\"a\\u001b[31m\u202e\",\"data\":\"\u009b\"}\r\n\x1b]0;x\a", `TIME  POST /webhook?a=b
  webhook-id e\x1b[2J  attempt 1
  signature no secret given
  response 200
    {"event":"a\u001b[31m\u{202e}","data":"\u{9b}"}
    \x1b]0;x\x07

`},
		{"an event type that is decoded from escapes", "", "", "", `{"event":"a\u001b[31mb"}`, `TIME  POST /webhook?a=b  a\x1b[31mb
  webhook-id none
  signature no secret given
  response 200
    {
      "event": "a\u001b[31mb"
    }

`},
		{"a long line", "", "", "", long, `TIME  POST /webhook?a=b  a
  webhook-id none
  signature no secret given
  response 200
    {
      "event": "a",
      "data": "` + strings.Repeat("x", 189) + `…
    }
    (truncated; the body has 323 bytes)

`},
	} {
		l, out := listening(t, Options{Secret: test.secret})
		post(t, l, test.id, test.signed, test.body)
		got := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d{3}`).ReplaceAllString(out.String(), "TIME")
		if got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.reason, got, test.want)
		}
	}
}

// Text that would fill the screen or the memory is truncated.
func TestReceiverTruncates(t *testing.T) {
	for reason, body := range map[string]string{
		"many lines":                       strings.Repeat("line\n", 10_000),
		"one line without end":             strings.Repeat("x", 1<<20),
		"nesting that indents to 200 MB":   strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999),
		"an object that indents to a page": `{"a":[` + strings.Repeat("1,", 5_000) + `1]}`,
		"rubbish":                          strings.Repeat("\x00\xff", 1<<16),
	} {
		l, out := listening(t, Options{})
		post(t, l, "", "", body)
		if n, lines := out.Len(), strings.Count(out.String(), "\n"); n > 20_000 || lines > 50 {
			t.Errorf("%s: %d bytes in %d lines are printed", reason, n, lines)
		}
		if !strings.Contains(out.String(), "(truncated; the body has ") {
			t.Errorf("%s: the output does not say that it is truncated", reason)
		}
	}
}

func TestReceiverResponds(t *testing.T) {
	l, out := listening(t, Options{Status: http.StatusAccepted, Body: "thanks", FailFirst: 2})
	for i, want := range []struct {
		id   string
		code int
		body string
	}{
		{"a", 500, "this attempt fails because of --fail-first"},
		{"a", 500, "this attempt fails because of --fail-first"},
		{"b", 500, "this attempt fails because of --fail-first"},
		{"a", 202, "thanks"},
		{"a", 202, "thanks"},
		{"", 202, "thanks"}, // no id, so no first attempt
	} {
		got := post(t, l, want.id, "", "{}")
		if got.Code != want.code || got.Body.String() != want.body {
			t.Errorf("request %d: %d %q, want %d %q", i+1, got.Code, got.Body, want.code, want.body)
		}
	}
	if !strings.Contains(out.String(), "attempt 4") || !strings.Contains(out.String(), "response 500") {
		t.Errorf("printed\n%s", out)
	}
}

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// broken is a body that fails in the middle.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestReceiverRefusesBodies(t *testing.T) {
	for _, test := range []struct {
		body io.Reader
		code int
		want string
	}{
		{endless{}, http.StatusRequestEntityTooLarge, "the body is longer than"},
		{broken{}, http.StatusBadRequest, "read the body: unexpected EOF"},
	} {
		l, out := listening(t, Options{FailFirst: 1})
		w := httptest.NewRecorder()
		l.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", test.body))
		if w.Code != test.code || !strings.Contains(out.String(), test.want) {
			t.Errorf("responded with %d and printed\n%s", w.Code, out)
		}
	}
}

func TestReceiverAsJSON(t *testing.T) {
	l, out := listening(t, Options{AsJSON: true, Secret: "geheim", Status: 503})
	post(t, l, "e1", "geheim", "{\n \"event\": \"user.created\", \"data\": [1e400, \"\u202e\"]}")
	post(t, l, "e1", "other", "not JSON \x1b")
	post(t, l, "", "", "")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || strings.ContainsFunc(strings.Join(lines, ""), func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Fatalf("got %q", lines)
	}
	for i, want := range []string{
		`"method":"POST","path":"/webhook?a=b","webhook_id":"e1","event":"user.created","attempt":1,"signature":"verified","answer":503,"body":{"event":"user.created","data":[1e400,"\u202e"]}}`,
		`"signature":"wrong","problem":"webhook: bad signature`,
		`"webhook_id":"","event":"","attempt":0,"signature":"none","answer":503}`,
	} {
		if !json.Valid([]byte(lines[i])) || !strings.Contains(lines[i], want) {
			t.Errorf("line %d is\n%s\nwhich lacks\n%s", i+1, lines[i], want)
		}
	}
	if !strings.Contains(lines[1], `"text":"not JSON \u001b"`) {
		t.Errorf("line 2 is %s", lines[1])
	}
}

// The receiver handles an address that is in use, and an address that means every network.
func TestReceiverAddress(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	l, _ := listening(t, Options{Addr: taken.Listener.Addr().String()})
	if err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use; choose another address") {
		t.Errorf("got %v", err)
	}
	for addr, want := range map[string]string{"[::]:9000": "http://127.0.0.1:9000", "0.0.0.0:9001": "http://127.0.0.1:9001", "192.0.2.1:80": "http://192.0.2.1:80"} {
		if text := textOf(l.greeting(addr)); !strings.Contains(text, want+", any path") || !strings.Contains(text, want+"/webhook") {
			t.Errorf("%s is greeted with\n%s", addr, text)
		}
	}
}

func TestReceiverGreets(t *testing.T) {
	for n, want := range map[int]string{0: ", any path; responds with 200; ", 1: "responds with 500 to the first attempt of each webhook, then with 200; ", 2: "responds with 500 to the first 2 attempts of each webhook, then with 200; "} {
		l, _ := listening(t, Options{FailFirst: n})
		if text := textOf(l.greeting("127.0.0.1:9000")); !strings.Contains(text, want+"signatures are not checked, because there is no secret.") {
			t.Errorf("--fail-first %d is greeted with\n%s", n, text)
		}
	}
}

func textOf(lines []terminal.Line) string {
	var b strings.Builder
	terminal.NewScreen(&b).Print(lines...)
	return b.String()
}

func TestTriesForget(t *testing.T) {
	c := tries{limit: 2}
	got := []int{c.next("a"), c.next("a"), c.next("b"), c.next("c"), c.next("b"), c.next("a"), len(c.count), len(c.order)}
	for i, want := range []int{1, 2, 1, 1, 2, 1, 2, 2} {
		if got[i] != want {
			t.Fatalf("got %v", got)
		}
	}
}
