package api

import (
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

func TestUnknownPaths(t *testing.T) {
	s := newServer(t)
	id := event.NewID(testTime).String()
	for _, c := range []struct{ path, reason string }{
		{"/nope", "unknown"},
		{"/subscriptions//", "an empty id"},
		{"//subscriptions", "an empty segment"},
		{"/subscriptions/" + id + "/x", "too many segments"},
		{"/subscriptions/../health", "not cleaned: no redirect"},
		{"/subscriptions/%2e%2e/health", "the same, escaped"},
		{"/webhooks/ingest", "no id"},
		{"/webhooks/ingest/", "an empty id"},
		{"/webhooks/" + id, "part of a path"},
		{"/status/" + id, "part of a path"},
		{"/docs/../../etc/passwd", "outside"},
		{"/docs/nope.js", "an unknown file"},
		{"/HEALTH", "another letter case"},
		{"/subscriptions/..", "two dots instead of an id"},
		{"/subscriptions/./", "the same"},
		{"/subscriptions/%2e%2E", "the same, escaped"},
		{"/subscriptions%2F" + id, "an escaped slash is part of its segment"},
		{"/docs%2Finit.js", "an escaped slash in a path without parameters"},
		{"/%2Fhealth", "an escaped slash at the beginning"},
		{"/webhooks/ingest/" + id + "/" + strings.Repeat("x/", 8000), "very many segments"},
		{"/" + strings.Repeat("x", 16000), "a very long segment"},
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			if r := s.do(method, c.path, ""); r.status != 404 || r.code() != "not_found" {
				t.Errorf("%s %s (%s) responds with %d %s", method, c.path, c.reason, r.status, r.text)
			}
		}
	}
}

func TestWrongMethodsAndOptions(t *testing.T) {
	s := newServer(t)
	id := event.NewID(testTime).String()
	for _, c := range []struct{ path, allow string }{
		{"/subscriptions/", "GET, HEAD, OPTIONS, POST"},
		{"/subscriptions/" + id, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"},
		{"/subscriptions/" + id + "/pause", "OPTIONS, POST"},
		{"/subscriptions/" + id + "/resume/", "OPTIONS, POST"},
		{"/tenants/", "GET, HEAD, OPTIONS"},
		{"/tenants/acme", "DELETE, GET, HEAD, OPTIONS, PUT"},
		{"/event-types/", "GET, HEAD, OPTIONS, POST"},
		{"/event-types/a", "DELETE, GET, HEAD, OPTIONS, PUT"},
		{"/events/", "OPTIONS, POST"},
		{"/events/batch", "OPTIONS, POST"},
		{"/events/match", "OPTIONS, POST"},
		{"/webhooks/ingest/" + id, "OPTIONS, POST"},
		{"/status/delivery/" + id, "GET, HEAD, OPTIONS"},
		{"/status/subscription/" + id + "/", "GET, HEAD, OPTIONS"},
		{"/keys/", "GET, HEAD, OPTIONS, POST"},
		{"/keys/" + id, "DELETE, OPTIONS"},
		{"/meta", "GET, HEAD, OPTIONS"},
		{"/health", "GET, HEAD, OPTIONS"},
		{"/livez", "GET, HEAD, OPTIONS"},
		{"/readyz", "GET, HEAD, OPTIONS"},
		{"/docs", "GET, HEAD, OPTIONS"},
		{"/docs/init.js", "GET, HEAD, OPTIONS"},
		{"/openapi.json", "GET, HEAD, OPTIONS"},
	} {
		for _, method := range []string{"TRACE", "BREW", "get"} {
			r := s.do(method, c.path, "")
			if r.status != 405 || r.code() != "method_not_allowed" || r.header.Get("Allow") != c.allow {
				t.Errorf("%s %s responds with %d, Allow %q: %s", method, c.path, r.status, r.header.Get("Allow"), r.text)
			}
		}
		if r := s.do("OPTIONS", c.path, ""); r.status != 204 || r.header.Get("Allow") != c.allow || r.text != "" {
			t.Errorf("OPTIONS %s responds with %d, Allow %q", c.path, r.status, r.header.Get("Allow"))
		}
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	s := newServer(t)
	for path, status := range map[string]int{"/health": 200, "/subscriptions/": 200, "/docs": 200, "/openapi.json": 200, "/subscriptions/x": 404} {
		if r := s.do("HEAD", path, ""); r.status != status || r.text != "" {
			t.Errorf("HEAD %s responds with %d %q", path, r.status, r.text)
		}
	}
}

func TestTwoInstancesShareNothing(t *testing.T) {
	one, two := newServer(t), newServer(t, withKeys)
	id := one.create(minimal)
	one.want(200, one.do("GET", "/subscriptions/"+id, ""))
	two.want(401, two.do("GET", "/subscriptions/"+id, ""))
	two.key = testKey
	two.want(404, two.do("GET", "/subscriptions/"+id, ""))
}

func TestTheRootLeadsToTheDocs(t *testing.T) {
	s := newServer(t)
	r := s.do("GET", "/", "")
	if r.status != 302 || r.header.Get("Location") != "docs" {
		t.Errorf("GET / responds with %d, Location %q", r.status, r.header.Get("Location"))
	}
}
