package api

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// withKeys makes the API require keys.
func withKeys(o *Options) { o.Keys = o.Subscriptions.(*memory) }

func TestEveryOperationNeedsAKeyUnlessItIsPublic(t *testing.T) {
	s := newServer(t, withKeys)
	id := event.NewID(testTime).String()
	for path, item := range document(t)["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			_, secured := op.(map[string]any)["security"]
			method, path := strings.ToUpper(method), fill(path, id)
			s.key = ""
			r := s.do(method, path, "")
			if (r.status == 401) != secured {
				t.Errorf("%s %s without a key responds with %d; the document says that it needs one: %v", method, path, r.status, secured)
			}
			s.key = testKey
			if r := s.do(method, path, ""); r.status == 401 {
				t.Errorf("%s %s with a key responds with %s", method, path, r.text)
			}
		}
	}
}

// needs repeats the table of scopes, so that a change to the code needs a deliberate change here.
var needs = map[string]event.Scope{
	"POST /subscriptions/":                       event.ScopeAdmin,
	"GET /subscriptions/":                        event.ScopeRead,
	"GET /subscriptions/{id}":                    event.ScopeRead,
	"PUT /subscriptions/{id}":                    event.ScopeAdmin,
	"PATCH /subscriptions/{id}":                  event.ScopeAdmin,
	"POST /subscriptions/{id}/pause":             event.ScopeAdmin,
	"POST /subscriptions/{id}/resume":            event.ScopeAdmin,
	"DELETE /subscriptions/{id}":                 event.ScopeAdmin,
	"POST /webhooks/ingest/{subscription_id}":    event.ScopePublish,
	"GET /status/delivery/{delivery_id}":         event.ScopeRead,
	"GET /status/subscription/{subscription_id}": event.ScopeRead,
	"GET /health/integrity":                      event.ScopeRead,
	"GET /health":                                public,
	"GET /livez":                                 public,
	"GET /readyz":                                public,
}

// Every route with every kind of key: 401 for a missing or invalid key, 403 with an explanation for
// a scope that does not cover the route, and anything else for one that does.
func TestEveryRouteWithEveryScope(t *testing.T) {
	s := newServer(t, withKeys)
	id := event.NewID(testTime).String()
	seen := 0
	for path, item := range document(t)["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			method = strings.ToUpper(method)
			needed, known := needs[method+" "+path]
			if !known {
				t.Errorf("%s %s has no scope in this test's table", method, path)
			}
			seen++
			methods := []string{method}
			if method == "GET" {
				methods = append(methods, "HEAD")
			}
			for _, method := range methods {
				for _, c := range []struct {
					key, says string
					open      bool // passes where a key is needed
				}{
					{"", "is needed", false},
					{"hf_no_such_key", "unknown", false},
					{testKey + "-old", "expired at 2026-11-23T17:44:00Z", false},
					{testKey + "-gone", "revoked at 2026-11-23T17:44:00Z", false},
					{testKey, "", true},
					{testKey + "-pub", `but this key has the scope "publish"`, needed == event.ScopePublish},
					{testKey + "-read", `but this key has the scope "read"`, needed == event.ScopeRead},
					{testKey + "-odd", `but this key has the scope "of a later release"`, false},
				} {
					s.key = c.key
					r := s.do(method, fill(path, id), "")
					want := 401
					switch {
					case needed == public || c.open:
						want = 0
					case strings.Contains(c.says, "this key has"):
						want = 403
					}
					refused := r.status == 401 || r.status == 403
					if refused != (want != 0) || refused && r.status != want {
						t.Errorf("%s %s with the key %q responds with %d, want %d: %s", method, path, c.key, r.status, want, r.text)
					}
					if want == 0 || method == "HEAD" {
						continue
					}
					if detail, _ := r.json["detail"].(string); !strings.Contains(detail, c.says) {
						t.Errorf("%s %s with the key %q says %q, want %q", method, path, c.key, detail, c.says)
					}
					challenged := r.header.Get("WWW-Authenticate")
					if want == 403 && (!strings.Contains(r.text, "the scope "+scopesCovering(needed)) || challenged != challengeFor(needed) || r.code() != "forbidden") {
						t.Errorf("%s %s names no scope: %s, %s", method, path, r.text, challenged)
					}
				}
			}
		}
	}
	if seen != len(needs) {
		t.Errorf("%d operations, and the table has %d", seen, len(needs))
	}
}

// A row without a scope is only for admins.
func TestARouteWithoutAScopeIsClosed(t *testing.T) {
	a := &api{Options: Options{Keys: &memory{}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return testTime }}}
	for key, open := range map[string]bool{testKey: true, testKey + "-pub": false, testKey + "-read": false} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		if _, err := a.authorize(httptest.NewRecorder(), r, ""); (err == nil) != open {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestAKeyEndsAtItsTime(t *testing.T) {
	now := testTime.Add(-time.Millisecond)
	s := newServer(t, withKeys, func(o *Options) { o.Now = func() time.Time { return now } })
	s.key = testKey + "-old"
	s.want(200, s.do("GET", "/subscriptions/", ""))
	now = testTime
	s.want(401, s.do("GET", "/subscriptions/", ""))
}

func TestPublicPathsNeedNoKey(t *testing.T) {
	s := newServer(t, withKeys)
	for _, path := range []string{"/health", "/livez", "/readyz", "/docs", "/docs/", "/docs/init.js", "/docs/icon.svg", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/openapi.json"} {
		s.want(200, s.do("GET", path, ""))
	}
}

func TestKeysAreTakenInOneFormOnly(t *testing.T) {
	s := newServer(t, withKeys)
	for _, c := range []struct {
		header string
		status int
		reason string
	}{
		{"Bearer " + testKey, 200, "as RFC 6750 has it"},
		{"bearer  " + testKey, 200, "the scheme's case does not matter"},
		{"Bearer " + testKey + "x", 401, "another key"},
		{"Bearer", 401, "no key"},
		{"Bearer  ", 401, "an empty key"},
		{testKey, 401, "no scheme"},
		{"Basic " + testKey, 401, "another scheme"},
	} {
		r := s.want(c.status, s.do("GET", "/subscriptions/", "", "Authorization: "+c.header))
		if c.status == 401 && (r.header.Get("WWW-Authenticate") != challenge || r.code() != "unauthorized") {
			t.Errorf("%s: %s %v", c.reason, r.text, r.header)
		}
	}
	if got := bearer(map[string][]string{"Authorization": {"Bearer " + testKey, "Bearer " + testKey}}); got != "" {
		t.Error("two headers are accepted")
	}
}

func TestUncheckedKeyIsRefused(t *testing.T) {
	s := newServer(t, withKeys)
	s.key, s.memory.fail = testKey, event.ErrUnavailable
	s.want(503, s.do("GET", "/subscriptions/", ""))
}
