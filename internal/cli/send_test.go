package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/receiver"
	"github.com/hookferry/hookferry/internal/test/await"
)

// service is the real service with short retries.
func service(t *testing.T) (url string, c *client.Client) {
	t.Helper()
	settings := []string{"HOOKFERRY_ADMIN_ADDR=off", "WEBHOOK_RETRY_SCHEDULE=1ms,2ms,3ms"}
	s, err := startDemoService(t.Context(), settings, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	url = "http://" + s.Addr()
	if c, err = client.New(url); err != nil {
		t.Fatal(err)
	}
	return url, c
}

// run runs a command and returns its output.
func run(t *testing.T, in io.Reader, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Run(t.Context(), args, in, &o, &e)
	return code, o.String(), e.String()
}

// From `hookferry send` through the service to `hookferry listen` and back.
func TestSend(t *testing.T) {
	t.Setenv("HOOKFERRY_API_KEY", "")
	url, c := service(t)
	var heard await.Output
	l, err := receiver.New(&heard, io.Discard, receiver.Options{Status: http.StatusOK, Secret: "geheim", FailFirst: 1})
	if err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewServer(l)
	defer listening.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	defer gone.Close()
	good := subscribe(t, c, client.SubscriptionInput{TargetURL: listening.URL, Secret: "geheim", EventTypes: []string{"user.*"}})
	bad := subscribe(t, c, client.SubscriptionInput{TargetURL: gone.URL, RetryScheduleSeconds: []float64{0.001}})
	const anyID = `[0-9a-f-]{36}`

	for _, test := range []struct {
		reason string
		in     string
		args   []string
		code   int
		out    string // patterns
		errOut string
	}{
		{"one event is accepted", "", []string{good, "user.created", `{"id": 123}`}, 0, `accepted: event ` + anyID + `, delivery ` + anyID + "\n" + `  curl "` + url + `/status/delivery/` + anyID + "\"\n", ``},
		{
			"it is followed to its delivery", " {\"id\":1}\n",
			[]string{"--wait", good, "user.created"},
			0,
			`accepted: .*
attempt 1: [a-z ]+ 500 Internal Server Error \([^)]+\)(; the next one is due at \d\d:\d\d:\d\d)?
attempt 2: responded with 200 \([^)]+\)
delivered
`, ``,
		},
		{
			"it is followed to its failure", "",
			[]string{"--wait", bad, "any.type", "-"},
			2, ``,
			`hookferry: standard input is not JSON: it ends too early
  line 1, column 1:  
                     \^
See .hookferry send --help.\.
`,
		},
		{"the exit status says that it failed", "[]", []string{"--wait", bad, "any.type", "-"}, 1, `accepted: .*\nattempt 1: [a-z ]+ 404 Not Found .*\nattempt 2: [a-z ]+ 404 Not Found \([^)]+\)\nfailed\n`, ``},
		{"and as JSON", "[]", []string{"--wait", "--json", bad, "any.type"}, 1, `\{"id":"` + anyID + `",.*"status":"failed",.*\}\n`, ``},
		{"as JSON", "", []string{"--json", good, "user.created"}, 0, `\{"delivery_id":"` + anyID + `","event_id":"` + anyID + `","status":"pending"\}\n`, "No DATA was given, and standard input is empty; sending {}.\n"},
		{"an event type that the subscription does not want", "", []string{"--wait", good, "order.paid", "1"}, 0, `filtered: the subscription wants .*; nothing is delivered\n`, ``},
		{"an unknown id", "", []string{"0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071", "a", "1"}, 1, ``, `hookferry: the service responded with 404 Not Found: No subscription has this id.*\n`},
		{"an invalid id", "", []string{"../../health", "a", "1"}, 1, ``, `hookferry: the service responded with 404 Not Found: .*\n`},
		{"an invalid event type", "", []string{good, "user created", "1"}, 1, ``, `hookferry: the service responded with 422 .* event: contains .*\n`},
	} {
		args := append([]string{"send", "--url", url}, test.args...)
		code, out, errOut := run(t, strings.NewReader(test.in), args...)
		if code != test.code || !matches(test.out, out) || !matches(test.errOut, errOut) {
			t.Errorf("%s: exit status %d\n%s%s\nwant %d\n%s%s", test.reason, code, out, errOut, test.code, test.out, test.errOut)
		}
	}
	listening.Close() // waits until the last request is printed
	if !strings.Contains(heard.String(), "signature verified") {
		t.Errorf("heard\n%s", &heard)
	}
}

func subscribe(t *testing.T, c *client.Client, in client.SubscriptionInput) string {
	t.Helper()
	s, err := c.CreateSubscription(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return s.ID
}

func matches(pattern, text string) bool {
	return regexp.MustCompile(`^` + strings.ReplaceAll(pattern, "{}", `\{\}`) + `$`).MatchString(text)
}

// The same key with the same data means the same event.
func TestSendAgain(t *testing.T) {
	url, c := service(t)
	listening := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer listening.Close()
	id := subscribe(t, c, client.SubscriptionInput{TargetURL: listening.URL})
	args := []string{"send", "--url", url, "--json", "--idempotency-key", "order 7", id, "order.paid"}
	_, first, _ := run(t, nil, append(args, "7")...)
	_, second, _ := run(t, nil, append(args, "7")...)
	if first == "" || first != second {
		t.Errorf("first %ssecond %s", first, second)
	}
	if code, _, errOut := run(t, nil, append(args, "8")...); code != 1 || !strings.Contains(errOut, "already used with another body") {
		t.Errorf("exit status %d: %s", code, errOut)
	}
}

func TestSendCantReachTheService(t *testing.T) {
	t.Setenv("HOOKFERRY_API_KEY", "")
	t.Setenv("HOOKFERRY_TOKEN", "")
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>\x1b[31m") }))
	defer page.Close()
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"code":"unauthorized","detail":"The API key is unknown\u001b[31m."}`)
	}))
	defer locked.Close()
	for _, test := range []struct {
		reason string
		args   []string
		code   int
		want   string
	}{
		{"nothing listens", []string{"--url", closed.URL}, 1, "nothing listens on " + strings.TrimPrefix(closed.URL, "http://") + ": is `hookferry serve --dev` running?"},
		{"a name that does not resolve", []string{"--url", "http://nowhere.invalid"}, 1, "can't reach the service at nowhere.invalid: "},
		{"another service", []string{"--url", page.URL}, 1, "is not from Hookferry"},
		{"no key", []string{"--url", locked.URL}, 1, "the service needs an API key: set HOOKFERRY_TOKEN"},
		{"a wrong key", []string{"--url", locked.URL, "--key", "geheim"}, 1, `the service responded with 401 Unauthorized: The API key is unknown\x1b[31m.`},
		{"an invalid key", []string{"--key", "geheim\n"}, 2, "the API key contains a space"},
		{"an invalid URL", []string{"--url", "127.0.0.1:8000"}, 2, "write it like http://127.0.0.1:8000"},
		{"a password in the URL", []string{"--url", "http://me:geheim@127.0.0.1:1"}, 2, "must not contain a user name or password"},
	} {
		code, out, errOut := run(t, nil, append(append([]string{"send"}, test.args...), "s", "a", "1")...)
		if code != test.code || out != "" || !strings.Contains(errOut, test.want) || strings.Contains(errOut, "geheim") {
			t.Errorf("%s: exit status %d\n%s%s", test.reason, code, out, errOut)
		}
	}
}

func TestSendReadsTheKeyFromTheEnvironment(t *testing.T) {
	t.Setenv("HOOKFERRY_API_KEY", "hf_environment")
	t.Setenv("HOOKFERRY_TOKEN", "")
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		io.WriteString(w, "{}")
	}))
	defer s.Close()
	run(t, nil, "send", "--url", s.URL, "s", "a", "1")
	if got != "Bearer hf_environment" {
		t.Errorf("got %q", got)
	}
	t.Setenv("HOOKFERRY_TOKEN", "hf_token")
	run(t, nil, "send", "--url", s.URL, "s", "a", "1")
	if got != "Bearer hf_token" {
		t.Errorf("HOOKFERRY_TOKEN counts more, but got %q", got)
	}
	for _, flag := range []string{"--key", "--token"} {
		run(t, nil, "send", "--url", s.URL, flag, "hf_flag", "s", "a", "1")
		if got != "Bearer hf_flag" {
			t.Errorf("with %s got %q", flag, got)
		}
	}
}

// A user who stops waiting is told how to continue.
func TestSendStopsWaiting(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"delivery_id":"d","status":"pending","attempts":[{"attempt_number":1,"error":"responded with 503"}],"next_attempt_at":"2026-11-23T17:44:11Z"}`)
	}))
	defer s.Close()
	var out bytes.Buffer
	var pauses []time.Duration
	sender := newSender(streams{out: &out}, sendOptions{remote: remote{url: s.URL}, wait: true})
	sender.pause = func(_ context.Context, d time.Duration) error {
		if pauses = append(pauses, d); len(pauses) == 8 {
			return context.Canceled
		}
		return nil
	}
	err := sender.run(t.Context(), []string{"s", "a", "1"})
	if err == nil || errors.Is(err, errSaid) || !strings.Contains(err.Error(), `the delivery continues: curl "`+s.URL+`/status/delivery/d"`) {
		t.Errorf("got %v", err)
	}
	if n := strings.Count(out.String(), "attempt 1: responded with 503"); n != 1 || !strings.Contains(out.String(), "; the next one is due at ") {
		t.Errorf("the attempt is printed %d times\n%s", n, &out)
	}
	if pauses[0] != firstLook || pauses[7] != slowest {
		t.Errorf("it pauses for %v", pauses)
	}
}

func TestCheckData(t *testing.T) {
	for _, good := range []string{`{}`, ` [1e999] `, "\n\"\\u0000\"\n", `{"a":1,"a":2}`, `null`} {
		if got, err := checkData("DATA", good); err != nil || string(got) != strings.TrimSpace(good) {
			t.Errorf("%q became %q, %v", good, got, err)
		}
	}
	for _, test := range []struct{ reason, in, want string }{
		{"an extra comma", `{"id": 123,}`, `DATA is not JSON: unexpected '}'
  line 1, column 12:  {"id": 123,}
                                 ^`},
		{"the JSON ends too early", `{"id": `, `DATA is not JSON: it ends too early
  line 1, column 8:  {"id": 
                            ^`},
		{"on a later line", "{\n  \"name\": 'Zoë'\n}", `DATA is not JSON: unexpected '\''
  line 2, column 11:    "name": 'Zoë'
                                ^`},
		{"two values", `{} {}`, `DATA is not JSON: unexpected '{'
  line 1, column 4:  {} {}
                        ^`},
		{"in the middle of a long line", `["` + strings.Repeat("x", 100) + `",oops,"` + strings.Repeat("y", 100) + `"]`, `DATA is not JSON: unexpected 'o'
  line 1, column 105:  ` + strings.Repeat("x", 38) + `",oops,"` + strings.Repeat("y", 24) + `
                       ` + strings.Repeat(" ", 40) + `^`},
		{"control characters of a terminal", "{\"a\x1b[31m\": \x1b}", `DATA is not JSON: unexpected '\x1b'
  line 1, column 4:  {"a\x1b[31m": \x1b}
                        ^`},
		{"not UTF-8", "\"\xff\"", "DATA is not UTF-8, which JSON must be"},
		{"nothing", "", `DATA is not JSON: it ends too early
  line 1, column 1:  
                     ^`},
	} {
		_, err := checkData("DATA", test.in)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: got\n%v\nwant\n%s", test.reason, err, test.want)
		}
	}
}

func FuzzCheckData(f *testing.F) {
	f.Add(`{"a": [1, 2}`)
	f.Add("\n\n'\u202e")
	f.Fuzz(func(t *testing.T, text string) {
		data, err := checkData("DATA", text)
		if err == nil && !json.Valid(data) {
			t.Fatalf("%q was accepted", text)
		}
		if err != nil && strings.ContainsFunc(strings.ReplaceAll(err.Error(), "\n", ""), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("the error %q is unsafe for a terminal", err)
		}
	})
}

// endless is an input that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// broken is an input that fails in the middle.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestSendArguments(t *testing.T) {
	for _, args := range [][]string{{}, {"s"}, {"s", "a", "1", "2"}} {
		if code, _, errOut := run(t, nil, append([]string{"send"}, args...)...); code != 2 || !strings.Contains(errOut, "SUBSCRIPTION_ID EVENT_TYPE [DATA]") {
			t.Errorf("%v: exit status %d: %s", args, code, errOut)
		}
	}
	if code, _, errOut := run(t, endless{}, "send", "s", "a"); code != 2 || !strings.Contains(errOut, "longer than") {
		t.Errorf("exit status %d: %s", code, errOut)
	}
	if code, _, errOut := run(t, broken{}, "send", "s", "a", "-"); code != 2 || !strings.Contains(errOut, "read standard input") {
		t.Errorf("exit status %d: %s", code, errOut)
	}
}
