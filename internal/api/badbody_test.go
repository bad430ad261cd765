package api

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

const good = `"target_url": "https://example.com/hook"`

// badBodies are refused by both create and replace.
var badBodies = []struct {
	reason string
	body   string
	status int
	field  string
}{
	{"no JSON at all", `target_url=x`, 400, "body"},
	{"only white space", " \n", 400, "body"},
	{"truncated in a name", `{"target_u`, 400, "body"},
	{"truncated in a value", `{"target_url": "htt`, 400, "target_url"},
	{"an extra comma", `{` + good + `,}`, 400, "body"},
	{"a comment", `{` + good + ` /* x */}`, 400, "body"},
	{"two documents", `{` + good + `}{}`, 400, "body"},
	{"single quotes", `{'target_url': 'x'}`, 400, "body"},
	{"NaN", `{` + good + `, "timeout_seconds": NaN}`, 400, "timeout_seconds"},
	{"a byte order mark", "\xef\xbb\xbf{" + good + "}", 400, "body"},
	{"UTF-16", "{\x00}\x00", 400, "body"},
	{"invalid UTF-8", `{` + good + `, "description": "caf` + "\xe9" + `"}`, 400, "description"},
	{"a lone surrogate", `{` + good + `, "description": "\ud800"}`, 400, "description"},
	{"a raw control character", "{" + good + ", \"description\": \"a\nb\"}", 400, "description"},
	{"20,000 lists deep", `{` + good + `, "description": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, 400, "description[0]"},
	{"20,000 objects deep", `{` + good + `, "headers": ` + strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000) + `}`, 400, "headers.a"},
	{"9,000 nested lists: valid JSON, but not a string", `{` + good + `, "description": ` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + `}`, 422, "description"},

	{"a list", `[]`, 422, "body"},
	{"a string", `"x"`, 422, "body"},
	{"null", `null`, 422, "body"},
	{"a number", `1`, 422, "body"},
	{"an unknown name", `{` + good + `, "colour": 1}`, 422, "colour"},
	{"a name in another case", `{"Target_URL": "https://example.com"}`, 422, "Target_URL"},
	{"a name given twice", `{` + good + `, "description": "a", "description": "b"}`, 422, "description"},
	{"a name given twice, once escaped", `{` + good + `, "target\u005furl": "https://example.org"}`, 422, "target_url"},
	{"a header given twice", `{` + good + `, "headers": {"A": "1", "A": "2"}}`, 422, "headers.A"},
	{"a header given twice, in different case", `{` + good + `, "headers": {"A": "1", "a": "2"}}`, 422, "headers.a"},

	{"target_url is missing", `{}`, 422, "target_url"},
	{"target_url is null", `{"target_url": null}`, 422, "target_url"},
	{"target_url is empty", `{"target_url": ""}`, 422, "target_url"},
	{"target_url is a number", `{"target_url": 1}`, 422, "target_url"},
	{"target_url is a list", `{"target_url": ["https://example.com"]}`, 422, "target_url"},
	{"javascript:", `{"target_url": "javascript:alert(1)"}`, 422, "target_url"},
	{"file:", `{"target_url": "file:///etc/passwd"}`, 422, "target_url"},
	{"mailto:", `{"target_url": "mailto:me@example.com"}`, 422, "target_url"},
	{"no scheme", `{"target_url": "example.com/hook"}`, 422, "target_url"},
	{"no host", `{"target_url": "https:///hook"}`, 422, "target_url"},
	{"user-info", `{"target_url": "https://user:` + testCredential + `@example.com/"}`, 422, "target_url"},
	{"port 0", `{"target_url": "https://example.com:0/"}`, 422, "target_url"},
	{"port 65536", `{"target_url": "https://example.com:65536/"}`, 422, "target_url"},
	{"a fragment", `{"target_url": "https://example.com/#x"}`, 422, "target_url"},
	{"a line break in the URL", `{"target_url": "https://example.com/\r\nX-Evil: 1"}`, 422, "target_url"},
	{"a NUL in the URL", `{"target_url": "https://example.com/\u0000"}`, 422, "target_url"},
	{"a space in the URL", `{"target_url": "https://exa mple.com/"}`, 422, "target_url"},
	{"a byte order mark before the URL", `{"target_url": "\ufeffhttps://example.com/"}`, 422, "target_url"},
	{"a zero-width space in the host", `{"target_url": "https://exa\u200bmple.com/"}`, 422, "target_url"},
	{"an invalid international host name", `{"target_url": "https://a\u2260b.example/"}`, 422, "target_url"},
	{"full-width digits of an address that the guard refuses", `{"target_url": "http://１０.0.0.1/"}`, 422, "target_url"},
	{"ideographic full stops in such an address", `{"target_url": "http://10。0．0｡1/"}`, 422, "target_url"},
	{"a URL of 100 kB", `{"target_url": "https://example.com/` + strings.Repeat("a", 100_000) + `"}`, 422, "target_url"},
	{"a target that the guard refuses", `{"target_url": "http://10.0.0.1/"}`, 422, "target_url"},

	{"an event type of 100 kB", `{` + good + `, "event_types": ["` + strings.Repeat("a", 100_000) + `"]}`, 422, "event_types[0]"},
	{"100,000 event types", `{` + good + `, "event_types": ["a"` + strings.Repeat(`,"a"`, 100_000) + `]}`, 422, "event_types"},
	{"an event type with a line break", `{` + good + `, "event_types": ["ok", "a\r\nb"]}`, 422, "event_types[1]"},
	{"an event type with a NUL", `{` + good + `, "event_types": ["a\u0000"]}`, 422, "event_types[0]"},
	{"an empty event type", `{` + good + `, "event_types": [""]}`, 422, "event_types[0]"},
	{"an event type that is null", `{` + good + `, "event_types": ["a", null]}`, 422, "event_types[1]"},
	{"an event type that is a number", `{` + good + `, "event_types": ["a", "b", 3]}`, 422, "event_types[2]"},
	{"event_types is a string", `{` + good + `, "event_types": "user.created"}`, 422, "event_types"},
	{"event_types is an object", `{` + good + `, "event_types": {}}`, 422, "event_types"},

	{"an empty secret", `{` + good + `, "secret": ""}`, 422, "secret"},
	{"a secret that is a number", `{` + good + `, "secret": 123456}`, 422, "secret"},
	{"a secret of 100 kB", `{` + good + `, "secret": "` + strings.Repeat("a", 100_000) + `"}`, 422, "secret"},
	{"whsec_ without base64", `{` + good + `, "secret": "whsec_` + testSecret + `!"}`, 422, "secret"},
	{"a secret with a line end", `{` + good + `, "secret": "` + testSecret + `\n"}`, 422, "secret"},
	{"a secret in quotes", `{` + good + `, "secret": "\"` + testSecret + `\""}`, 422, "secret"},
	{"a secret with a byte order mark", `{` + good + `, "secret": "\ufeff` + testSecret + `"}`, 422, "secret"},
	{"a secret with v1, before it", `{` + good + `, "secret": "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`, 422, "secret"},
	{"is_active is a string", `{` + good + `, "is_active": "yes"}`, 422, "is_active"},
	{"is_active is a number", `{` + good + `, "is_active": 1}`, 422, "is_active"},
	{"a description of 100 kB", `{` + good + `, "description": "` + strings.Repeat("a", 100_000) + `"}`, 422, "description"},

	{"a header name with a line break", `{` + good + `, "headers": {"A\r\nB": "1"}}`, 422, "headers.A\r\nB"},
	{"a header value with a line break", `{` + good + `, "headers": {"A": "1\r\nB: 2"}}`, 422, "headers.A"},
	{"a header value with a NUL", `{` + good + `, "headers": {"A": "\u0000"}}`, 422, "headers.A"},
	{"a header value outside ASCII", `{` + good + `, "headers": {"A": "café"}}`, 422, "headers.A"},
	{"a header that Hookferry sets", `{` + good + `, "headers": {"Host": "example.org"}}`, 422, "headers.Host"},
	{"a header of the signature", `{` + good + `, "headers": {"Webhook-Id": "1"}}`, 422, "headers.Webhook-Id"},
	{"a header without a name", `{` + good + `, "headers": {"": "1"}}`, 422, "headers."},
	{"a header that is null", `{` + good + `, "headers": {"A": null}}`, 422, "headers.A"},
	{"a header that is a number", `{` + good + `, "headers": {"A": 1}}`, 422, "headers.A"},
	{"[hidden] without a stored value", `{` + good + `, "headers": {"X-Token": "[hidden]"}}`, 422, "headers.X-Token"},
	{"headers is a list", `{` + good + `, "headers": ["A: 1"]}`, 422, "headers"},

	{"a number too large for float64", `{` + good + `, "timeout_seconds": 1e400}`, 422, "timeout_seconds"},
	{"an integer too large for float64", `{` + good + `, "max_in_flight": 1` + strings.Repeat("0", 400) + `}`, 422, "max_in_flight"},
	{"an integer too large for int64", `{` + good + `, "max_in_flight": 9223372036854775808}`, 422, "max_in_flight"},
	{"an unknown kind of body", `{` + good + `, "body": "Data"}`, 422, "body"},
	{"a body that is a number", `{` + good + `, "body": 1}`, 422, "body"},
	{"a fraction of a request", `{` + good + `, "max_in_flight": 1.5}`, 422, "max_in_flight"},
	{"a negative timeout", `{` + good + `, "timeout_seconds": -1}`, 422, "timeout_seconds"},
	{"a tiny negative timeout", `{` + good + `, "timeout_seconds": -1e-300}`, 422, "timeout_seconds"},
	{"a timeout that would overflow", `{` + good + `, "timeout_seconds": 1.8446744073709552e10}`, 422, "timeout_seconds"},
	{"a timeout as text", `{` + good + `, "timeout_seconds": "5s"}`, 422, "timeout_seconds"},
	{"a rate above the limit", `{` + good + `, "rate_per_second": 1e300}`, 422, "rate_per_second"},
	{"a delay of 0", `{` + good + `, "retry_schedule_seconds": [10, 0]}`, 422, "retry_schedule_seconds[1]"},
	{"a delay too large for float64", `{` + good + `, "retry_schedule_seconds": [10, 1e400]}`, 422, "retry_schedule_seconds[1]"},
	{"a delay that would overflow", `{` + good + `, "retry_schedule_seconds": [1e300]}`, 422, "retry_schedule_seconds[0]"},
	{"a schedule longer than the retention", `{` + good + `, "retry_schedule_seconds": [200000, 200000]}`, 422, "retry_schedule_seconds"},
	{"require_signature without a secret", `{` + good + `, "require_signature": true}`, 422, "require_signature"},
}

func TestBadSubscriptionBodies(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	for _, c := range badBodies {
		for method, path := range map[string]string{"POST": "/subscriptions/", "PUT": "/subscriptions/" + id} {
			r := s.do(method, path, c.body)
			if r.status != c.status || r.field(c.field) == "" {
				t.Errorf("%s: %s responds with %d, want %d naming %q: %s", c.reason, method, r.status, c.status, c.field, r.text)
			}
			if wantCode := map[int]string{400: "malformed_body", 422: "invalid"}[c.status]; r.code() != wantCode {
				t.Errorf("%s: %s responds with code %s", c.reason, method, r.code())
			}
		}
	}
	if len(s.memory.subscriptions) != 1 || s.memory.subscriptions[0].TargetURL != "https://example.com/hook" || s.memory.subscriptions[0].Description != "" {
		t.Errorf("something was stored: %+v", s.memory.subscriptions)
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	s := newServer(t)
	r := s.want(422, s.do("POST", "/subscriptions/", `{"target_url": 1, "description": false, "colour": "red", "headers": {"A": 1}}`))
	for _, field := range []string{"target_url", "description", "colour", "headers.A"} {
		if r.field(field) == "" {
			t.Errorf("%s is not named: %s", field, r.text)
		}
	}
	r = s.want(422, s.do("POST", "/subscriptions/", `{"target_url": "http://10.0.0.9/", "event_types": ["a..b"], "secret": "whsec_!", "timeout_seconds": 99}`))
	for _, field := range []string{"target_url", "event_types[0]", "secret", "timeout_seconds"} {
		if r.field(field) == "" {
			t.Errorf("%s is not named: %s", field, r.text)
		}
	}
}

// The first field is the first in the document's order, whatever the order in the request.
func TestDetailNamesTheFirstField(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	for _, c := range []struct {
		reason, method, path, body string
		first                      string // beginning of the detail
		more                       int    // number of further faults
	}{
		{"one", "POST", "/subscriptions/", `{"target_url": "ftp://example.com"}`, "target_url: must ", 0},
		{"two", "POST", "/subscriptions/", `{"timeout_seconds": 99, "target_url": "example.com"}`, "target_url: ", 1},
		{"three, in reverse", "PUT", "/subscriptions/" + id, `{"rate_per_second": -1, "event_types": ["a..b"], "target_url": ""}`, "target_url: must not be empty", 2},
		{"a field after one that is valid", "PUT", "/subscriptions/" + id, `{"rate_per_second": -1, "max_in_flight": -1, ` + good + `}`, "max_in_flight: must be between 0 (the service's default) and 1000", 1},
		{"elements are ordered by number, not by text", "POST", "/subscriptions/", `{` + good + `, "event_types": ["a","b","!","d","e","f","g","h","i","j","!"]}`, "event_types[2]: ", 1},
		{"wrong types come in the same order", "POST", "/subscriptions/", `{"body": 1, "headers": [], "description": 2}`, "description: must be a string, found a number", 2},
		{"known fields come before unknown ones", "POST", "/subscriptions/", `{"a": 1, "target_url": 1}`, "target_url: must be a string, found a number", 1},
		{"unknown names are sorted", "POST", "/subscriptions/", `{"colour": 1, "beta": 1, "alpha": 1}`, "alpha: is not a known field; the fields are ", 2},
		{"headers are sorted", "PUT", "/subscriptions/" + id, `{` + good + `, "headers": {"X-Token-B": "[hidden]", "X-Token-A": "[hidden]"}}`, "headers.X-Token-A: is [hidden], ", 1},
		{"a query", "GET", "/subscriptions/?colour=1&cursor=x&limit=0", ``, "limit: must be a single integer from 1 to 250", 2},
		{"an unknown parameter", "GET", "/subscriptions/?b=1&a=1", ``, "a: is not a known parameter; ", 1},
	} {
		first := s.want(422, s.do(c.method, c.path, c.body))
		detail, _ := first.json["detail"].(string)
		counted := strings.HasSuffix(detail, fmt.Sprintf(" (and %d more)", c.more))
		if !strings.HasPrefix(detail, c.first) || counted != (c.more > 0) {
			t.Errorf("%s: the detail is %q, want %q and %d more", c.reason, detail, c.first, c.more)
		}
		for range 5 { // maps have a different order each time
			if again := s.do(c.method, c.path, c.body); again.text != first.text {
				t.Errorf("%s: the same request gets\n%s\nand\n%s", c.reason, first.text, again.text)
			}
		}
	}
}

func TestResponseSizeIsLimited(t *testing.T) {
	var body strings.Builder
	body.WriteString("{" + good)
	for i := range 30_000 {
		body.WriteString(`, "` + strings.Repeat("x", i%7) + string(rune(0x4e00+i)) + `": 1`)
	}
	body.WriteString(`, "` + strings.Repeat("long", 10_000) + `": 1}`)
	r := newServer(t).do("POST", "/subscriptions/", body.String()) // do checks the length of the response
	if n := len(r.json["errors"].([]any)); r.status != 422 || n != maxFieldProblems+1 {
		t.Errorf("responds with %d with %d errors", r.status, n)
	}
}

func TestOnlyReplaceIgnoresReadOnlyFields(t *testing.T) {
	s := newServer(t)
	body := `{` + good + `, "id": "mine", "created_at": 5}`
	if r := s.want(422, s.do("POST", "/subscriptions/", body)); r.field("id") == "" || r.field("created_at") == "" {
		t.Errorf("responds with %s", r.text)
	}
	id := s.create(minimal)
	if r := s.want(200, s.do("PUT", "/subscriptions/"+id, body)); r.json["id"] != id {
		t.Errorf("responds with %s", r.text)
	}
}

func FuzzSubscriptionBody(f *testing.F) {
	for _, c := range badBodies {
		if len(c.body) < 1000 {
			f.Add([]byte(c.body))
		}
	}
	for _, e := range subscriptionExamples {
		f.Add([]byte(e.body))
	}
	h := newHandler(f, testOptions(&memory{}))
	f.Fuzz(func(t *testing.T, body []byte) {
		req := httptest.NewRequest("POST", "/subscriptions/", strings.NewReader(string(body)))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != 201 && w.Code != 400 && w.Code != 413 && w.Code != 422 {
			t.Errorf("responds with %d %s", w.Code, w.Body)
		}
		if found := internals.FindString(w.Body.String()); w.Code != 201 && found != "" && !strings.Contains(string(body), found) {
			t.Errorf("the response mentions internals (%q): %s", found, w.Body)
		}
	})
}
