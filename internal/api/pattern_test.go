package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// routed returns a router whose endpoints do nothing.
func routed(t testing.TB, routes ...string) *router {
	t.Helper()
	var r router
	for _, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		if err := r.add(method, path, endpoint{}); err != nil {
			t.Fatal(err)
		}
	}
	return &r
}

// urlOf returns the URL of a request for a path.
func urlOf(t testing.TB, path string) *url.URL {
	t.Helper()
	u, err := url.ParseRequestURI(path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRoutes(t *testing.T) {
	r := routed(t, "GET /", "GET /a", "PUT /a/{x}", "GET /a/{x}", "GET /a/{x}/b", "GET /a/{x}/b/{y}", "GET /a/b/c", "GET /a/{y}/d/", "GET /{x}/{y}/{z}/{w}")
	for _, c := range []struct{ path, route, values, reason string }{
		{"/", "GET /", "", "the root"},
		{"", "GET /", "", "the root of a request with the whole URL"},
		{"//", "", "", "an empty segment"},
		{"/a", "GET /a", "", "a literal"},
		{"/a/", "GET /a", "", "a slash at the end has no meaning"},
		{"/a//", "", "", "two slashes at the end are an empty segment"},
		{"/a/1", "PUT /a/{x}", "x=1", "a parameter at the end"},
		{"/a/1/b", "GET /a/{x}/b", "x=1", "a parameter in the middle"},
		{"/a/1/b/2/", "GET /a/{x}/b/{y}", "x=1 y=2", "two parameters"},
		{"/a/1/d", "GET /a/{y}/d/", "y=1", "another pattern may name its parameter differently"},
		{"/a/b", "PUT /a/{x}", "x=b", "the literal b has no resource of its own"},
		{"/a/b/c", "GET /a/b/c", "", "a literal wins over a parameter"},
		{"/a/b/b", "GET /a/{x}/b", "x=b", "the literal c does not match, so the parameter is tried"},
		{"/a/b/b/b", "GET /a/{x}/b/{y}", "x=b y=b", "the same"},
		{"/a/b/c/d", "GET /{x}/{y}/{z}/{w}", "x=a y=b z=c w=d", "the same from the first segment"},
		{"/a/b/c/d/e", "", "", "too many segments"},
		{"/b", "", "", "unknown"},
		{"/a//b", "", "", "an empty segment is not a value"},
		{"/a/./b", "", "", "a dot is not a value"},
		{"/a/../b", "", "", "two dots are not a value"},
		{"/a/%2e%2e/b", "", "", "two escaped dots are not a value"},
		{"/a/.../b", "GET /a/{x}/b", "x=...", "three dots are a value"},
		{"/a/1%2F2", "PUT /a/{x}", "x=1/2", "an escaped slash is part of its segment"},
		{"/a/1%2fb", "PUT /a/{x}", "x=1/b", "an escaped slash in lower case"},
		{"/a/%2F", "PUT /a/{x}", "x=/", "an escaped slash alone is a value"},
		{"/a%2F1", "", "", "an escaped slash does not separate segments"},
		{"/%61/1", "PUT /a/{x}", "x=1", "any other escape equals its character"},
		{"/%61/1%2F2/%62", "GET /a/{x}/b", "x=1/2", "the same next to an escaped slash"},
		{"/a/%C3%A9%20%25", "PUT /a/{x}", "x=é %", "escapes are decoded once"},
		{"/a/%252F", "PUT /a/{x}", "x=%2F", "escapes are not decoded twice"},
		{"/a/%00", "PUT /a/{x}", "x=\x00", "a decoded NUL is a value"},
		{"/a/a+b", "PUT /a/{x}", "x=a+b", "a plus is not a space"},
		{"/a/" + strings.Repeat("1", 1<<20), "PUT /a/{x}", "x=" + strings.Repeat("1", 1<<20), "very long"},
		{"/a/" + strings.Repeat("b/", 1<<19), "", "", "very many segments"},
	} {
		u := &url.URL{}
		if c.path != "" {
			u = urlOf(t, c.path)
		}
		res, in := r.find(u)
		route, values := "", []string{}
		if res != nil {
			route = res.route
			for _, name := range res.pattern.parameters() {
				values = append(values, name+"="+in.get(name))
			}
		}
		if got := strings.Join(values, " "); route != c.route || got != c.values {
			t.Errorf("%.40q (%s) leads to %q with %.40q, want %q with %.40q", c.path, c.reason, route, got, c.route, c.values)
		}
	}
	if res, _ := r.find(&url.URL{Path: "*"}); res != nil {
		t.Errorf("OPTIONS * leads to %s", res.route)
	}
}

// The path determines the resource before the method matters.
func TestThePathDecidesBeforeTheMethod(t *testing.T) {
	r := routed(t, "GET /a/b", "PUT /a/{x}")
	for path, allow := range map[string]string{"/a/b": "GET, HEAD, OPTIONS", "/a/c": "OPTIONS, PUT"} {
		if res, _ := r.find(urlOf(t, path)); res == nil || res.allow != allow {
			t.Errorf("%s leads to %+v, want what allows %s", path, res, allow)
		}
	}
}

func TestConflictingRoutes(t *testing.T) {
	for _, c := range []struct {
		reason string
		routes []string
		words  []string // in the error; nil: no error
	}{
		{"other methods", []string{"GET /a/{x}", "PUT /a/{x}", "PUT /a", "GET /a/b"}, nil},
		{"other names in other patterns", []string{"GET /a/{x}", "GET /a/{y}/b", "GET /{z}"}, nil},
		{"the same twice", []string{"PUT /a/{x}/b", "PUT /a/{x}/b"}, []string{"PUT /a/{x}/b and PUT /a/{x}/b both serve PUT"}},
		{"a slash at the end has no meaning", []string{"PUT /a", "PUT /a/"}, []string{"PUT /a and PUT /a/ both serve PUT"}},
		{"GET also serves HEAD", []string{"GET /a", "HEAD /a"}, []string{"GET /a and HEAD /a both serve HEAD"}},
		{"in any order", []string{"HEAD /a", "GET /a"}, []string{"HEAD /a and GET /a both serve HEAD"}},
		{"another name for one parameter", []string{"GET /a/{x}", "PUT /a/{y}"}, []string{"GET /a/{x} and PUT /a/{y} give a parameter at the same position different names"}},
		{"the same in the middle", []string{"GET /a/{x}/b/{z}", "GET /a/{y}/b/{z}"}, []string{"GET /a/{x}/b/{z} and GET /a/{y}/b/{z}"}},
		{"no slash at the beginning", []string{"GET a"}, []string{`"a" does not begin with a slash`}},
		{"nothing", []string{"GET "}, []string{`"" does not begin with a slash`}},
		{"an empty segment", []string{"GET /a//b"}, []string{`"/a//b"`, `the segment ""`}},
		{"two slashes at the end", []string{"GET /a//"}, []string{`"/a//"`, `the segment ""`}},
		{"two dots, which are never a value", []string{"GET /a/../b"}, []string{`the segment ".."`}},
		{"no name", []string{"GET /a/{}"}, []string{`the segment "{}"`}},
		{"a brace that is not closed", []string{"GET /a/{x"}, []string{`the segment "{x"`}},
		{"a brace that is not opened", []string{"GET /a/x}"}, []string{`the segment "x}"`}},
		{"a parameter that is not a whole segment", []string{"GET /a/b{x}"}, []string{`the segment "b{x}"`}},
		{"two parameters in a segment", []string{"GET /a/{x}{y}"}, []string{`the segment "{x}{y}"`}},
		{"the same name twice", []string{"GET /a/{x}/{x}"}, []string{`"/a/{x}/{x}" has two parameters "x"`}},
	} {
		var operations []operation
		for _, route := range c.routes {
			method, path, _ := strings.Cut(route, " ")
			operations = append(operations, operation{Operation: huma.Operation{Method: method, Path: path}})
		}
		err := (&api{}).addAll(operations, nil)
		if (err != nil) != (c.words != nil) {
			t.Errorf("%s: %v", c.reason, err)
		}
		for _, words := range c.words {
			if err != nil && !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %q lacks %q", c.reason, err, words)
			}
		}
	}
}

// A documentation page that conflicts with an operation stops the start.
func TestPageConflictsWithOperation(t *testing.T) {
	operations := []operation{{Operation: huma.Operation{Method: http.MethodGet, Path: "/docs"}}}
	err := (&api{}).addAll(operations, []docsPage{{path: "/docs/"}})
	if err == nil || !strings.Contains(err.Error(), "GET /docs and GET /docs/ both serve GET") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownParameterPanics(t *testing.T) {
	_, in := routed(t, "GET /a/{x}").find(urlOf(t, "/a/1"))
	defer func() {
		if cause := recover(); cause != "the path has no parameter y" {
			t.Errorf("panics with %v", cause)
		}
	}()
	in.get("y")
}

// The document lists the parameters of a path in order, before all others.
func TestTheDocumentNamesAllParametersOfAPath(t *testing.T) {
	op := operation{needs: public, Operation: huma.Operation{
		Method: http.MethodGet, Path: "/subscriptions/{id}/deliveries/{delivery_id}/attempts", Parameters: pageParameters(),
	}}
	if err := complete(&op); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range op.Parameters {
		names = append(names, p.In+" "+p.Name)
	}
	if want := []string{"path id", "path delivery_id", "query limit", "query cursor"}; !slices.Equal(names, want) {
		t.Errorf("the parameters are %v, want %v", names, want)
	}
	if err := complete(&operation{Operation: huma.Operation{Path: "/{id"}}); err == nil {
		t.Error("a path without a leading slash can be described")
	}
}

// Routing allocates nothing, because it happens before the key is checked.
func TestRoutingAllocatesNothing(t *testing.T) {
	r := routed(t, "POST /webhooks/ingest/{id}", "GET /webhooks/{id}/a/{b}", "GET /docs")
	for _, path := range []string{"/webhooks/ingest/0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071/", "/webhooks/1/a/2", "/docs", "/" + strings.Repeat("a/", 1000)} {
		u := urlOf(t, path)
		got := testing.AllocsPerRun(100, func() {
			if res, in := r.find(u); res != nil {
				for _, one := range res.pattern {
					if one.isParameter && in.get(one.text) == "" {
						t.Error("the parameter is empty")
					}
				}
			}
		})
		if got != 0 {
			t.Errorf("%.40s: %v allocations, want none", path, got)
		}
	}
}
