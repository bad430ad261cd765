package api

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// handler serves one operation. If it returns an error, it must not have written anything: api.fail
// writes the response.
type handler func(w http.ResponseWriter, r *http.Request, path params) error

type endpoint struct {
	serve handler
	needs event.Scope // the scope of the key; "" is covered only by admin
	route string      // method and path, as they were added
}

// resource is everything at one path: an endpoint for each method.
type resource struct {
	pattern   pattern
	route     string // of the first endpoint that was added
	endpoints map[string]endpoint
	allow     string // the methods, for the Allow header
}

// router finds resources by the segments of a path. A literal segment wins over a parameter, and
// the first segment that differs decides. The path alone selects the resource: a method that the
// resource does not support is refused, even if another matching pattern supports it.
//
// A segment is the text between two slashes before decoding, so an encoded slash (%2F) is part of a
// segment. The decoded segment is then compared, and passed to the handler. (http.ServeMux would
// redirect unclean paths and refuse wrong methods itself, in plain text.)
type router struct{ root node }

// node is the point where all patterns with a common beginning meet.
type node struct {
	literals  map[string]*node
	parameter *node
	resource  *resource // of the pattern that ends here, or nil
}

// add takes paths in the form of the OpenAPI document: "/subscriptions/{id}". Its error names both
// routes if one would hide the other.
func (t *router) add(method, path string, e endpoint) error {
	p, err := parsePattern(path)
	if err != nil {
		return err
	}
	e.route = method + " " + path
	n := t.root.grow(p)
	if n.resource == nil {
		n.resource = &resource{pattern: p, route: e.route, endpoints: map[string]endpoint{}}
	}
	return n.resource.add(method, p, e)
}

// grow returns the node at which a pattern ends, and creates the missing nodes on the way.
func (n *node) grow(p pattern) *node {
	for _, one := range p {
		n = n.child(one)
	}
	return n
}

func (n *node) child(one part) *node {
	if one.isParameter {
		if n.parameter == nil {
			n.parameter = &node{}
		}
		return n.parameter
	}
	if n.literals == nil {
		n.literals = map[string]*node{}
	}
	if n.literals[one.text] == nil {
		n.literals[one.text] = &node{}
	}
	return n.literals[one.text]
}

func (res *resource) add(method string, p pattern, e endpoint) error {
	if !slices.Equal(res.pattern, p) {
		return fmt.Errorf("%s and %s give a parameter at the same position different names: choose one name", res.route, e.route)
	}
	methods := []string{method}
	if method == http.MethodGet {
		methods = append(methods, http.MethodHead) // net/http leaves the body out
	}
	for _, m := range methods {
		if other, found := res.endpoints[m]; found {
			return fmt.Errorf("%s and %s both serve %s at the same path: one would never be called", other.route, e.route, m)
		}
	}
	for _, m := range methods {
		res.endpoints[m] = e
	}
	allowed := slices.AppendSeq([]string{http.MethodOptions}, maps.Keys(res.endpoints))
	slices.Sort(allowed)
	res.allow = strings.Join(allowed, ", ")
	return nil
}

// find accepts paths with and without a trailing slash. It returns nil if nothing is at the path.
func (t *router) find(u *url.URL) (*resource, params) {
	in := params{path: u.Path}
	if u.RawPath != "" { // a slash in Path may be an encoded one, which does not separate segments
		in = params{path: u.EscapedPath(), isEscaped: true}
	}
	in.path = strings.TrimSuffix(in.path, "/")
	res := t.root.find(in.path, in.isEscaped)
	if res != nil {
		in.pattern = res.pattern
	}
	return res, in
}

// find visits each node at most once, however long the path is.
func (n *node) find(path string, isEscaped bool) *resource {
	if path == "" {
		return n.resource
	}
	segment, rest, ok := cutSegment(path, isEscaped)
	if !ok {
		return nil
	}
	if next := n.literals[segment]; next != nil {
		if res := next.find(rest, isEscaped); res != nil {
			return res
		}
	}
	if n.parameter == nil || !isValue(segment) {
		return nil
	}
	return n.parameter.find(rest, isEscaped)
}

// cutSegment cuts the first segment off a path that begins with a slash, and decodes it.
func cutSegment(path string, isEscaped bool) (segment, rest string, ok bool) {
	if path == "" || path[0] != '/' {
		return "", "", false
	}
	segment = path[1:]
	if i := strings.IndexByte(segment, '/'); i >= 0 {
		segment, rest = segment[:i], segment[i:]
	}
	if !isEscaped {
		return segment, rest, true
	}
	segment, err := url.PathUnescape(segment)
	return segment, rest, err == nil
}

// params are the parameters in the path of a request, and its caller. A parameter is cut out when
// it is read, so that routing allocates nothing.
type params struct {
	pattern   pattern
	path      string
	isEscaped bool
	caller    string // the name of the API key; "" if none was needed
}

// get returns the parameter with that name. A name that the path does not have is a bug in this
// package, and panics.
func (in params) get(name string) string {
	rest := in.path
	for _, one := range in.pattern {
		var segment string
		segment, rest, _ = cutSegment(rest, in.isEscaped)
		if one.isParameter && one.text == name {
			return segment
		}
	}
	panic("the path has no parameter " + name)
}

// id returns the parameter with that name as an id. Its error is a Problem.
func (in params) id(name string) (event.ID, error) {
	text := in.get(name)
	id, err := event.ParseID(text)
	if err != nil {
		return id, newProblem(http.StatusNotFound, "not_found", notAnID(text))
	}
	return id, nil
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer a.recoverPanic(w, r)
	w.Header()["X-Content-Type-Options"] = nosniff
	if err := a.route(w, r); err != nil {
		a.fail(w, r, err)
	}
}

// nosniff and jsonType are header values that all responses share. Nothing changes them.
var (
	nosniff  = []string{"nosniff"}
	jsonType = []string{"application/json"}
)

func (a *api) route(w http.ResponseWriter, r *http.Request) error {
	res, in := a.find(r.URL)
	if res == nil {
		return newProblem(http.StatusNotFound, "not_found", a.unknownPath)
	}
	e, found := res.endpoints[r.Method]
	if !found {
		w.Header().Set("Allow", res.allow)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return newProblem(http.StatusMethodNotAllowed, "method_not_allowed", "This path supports "+res.allow+".")
	}
	caller, err := a.authorize(w, r, e.needs)
	if err != nil {
		return err
	}
	in.caller = caller
	return e.serve(w, r, in)
}

// panicText returns the text of a panic's cause for the log. It returns only the type of a value that
// is neither an error nor a string, because such a value may contain anything.
func panicText(cause any) string {
	switch c := cause.(type) {
	case error:
		return c.Error()
	case string:
		return c
	}
	return fmt.Sprintf("a %T", cause)
}

// recoverPanic responds for a handler that panicked, so that the service stays up.
func (a *api) recoverPanic(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause) // net/http's way to abort a connection
	}
	a.Log.ErrorContext(r.Context(), "request panicked", "method", r.Method, "path", event.Clip(r.URL.Path, 200),
		"panic", panicText(cause), "stack", string(debug.Stack()))
	a.refuse(w, internalProblem())
}
