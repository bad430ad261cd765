package api

import (
	"strings"
	"testing"

	"hookferry/internal/event"
)

// withKeys makes the API ask for keys.
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
				t.Errorf("%s %s without a key answers %d; the document says that it needs one: %v", method, path, r.status, secured)
			}
			s.key = testKey
			if r := s.do(method, path, ""); r.status == 401 {
				t.Errorf("%s %s with a key answers %s", method, path, r.text)
			}
		}
	}
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
		t.Error("two headers are taken")
	}
}

func TestKeyThatCannotBeCheckedIsNoValidKey(t *testing.T) {
	s := newServer(t, withKeys)
	s.key, s.memory.fail = testKey, event.ErrUnavailable
	s.want(503, s.do("GET", "/subscriptions/", ""))
}
