package api

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// handler serves one operation. id is the path's last part where the path has a
// parameter, else "". An error is answered by api.fail; nothing may have been
// written then.
type handler func(w http.ResponseWriter, r *http.Request, id string) error

type endpoint struct {
	serve handler
	needs event.Scope // of the key; "" is what admin alone covers
}

// resource is what stands at one path: an endpoint for each method.
type resource struct {
	endpoints map[string]endpoint
	allow     string // the methods, as the Allow header says them
}

// router finds resources. Every path has at most one parameter and that as its
// last part, so that two maps do, and a request for an event costs two look-ups
// and no allocation. (http.ServeMux would redirect unclean paths and answer
// wrong methods itself, in plain text.)
type router struct {
	exact  map[string]*resource // by path
	parent map[string]*resource // by the path before the parameter
}

// add takes paths as the OpenAPI document writes them: "/subscriptions/{id}".
func (t *router) add(method, path string, e endpoint) {
	if t.exact == nil {
		t.exact, t.parent = map[string]*resource{}, map[string]*resource{}
	}
	in, key := t.exact, strings.TrimSuffix(path, "/")
	if i := strings.IndexByte(path, '{'); i >= 0 {
		in, key = t.parent, path[:i-1]
	}
	res := in[key]
	if res == nil {
		res = &resource{endpoints: map[string]endpoint{}}
		in[key] = res
	}
	res.endpoints[method] = e
	if method == http.MethodGet {
		res.endpoints[http.MethodHead] = e // net/http leaves the body out
	}
	methods := []string{http.MethodOptions}
	for m := range res.endpoints {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	res.allow = strings.Join(methods, ", ")
}

// find takes paths with and without a slash at their end.
func (t *router) find(path string) (res *resource, id string) {
	path = strings.TrimSuffix(path, "/")
	if res := t.exact[path]; res != nil {
		return res, ""
	}
	i := strings.LastIndexByte(path, '/')
	if i < 0 || i+1 == len(path) {
		return nil, ""
	}
	return t.parent[path[:i]], path[i+1:]
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer a.rescue(w, r)
	w.Header()["X-Content-Type-Options"] = nosniff
	if err := a.route(w, r); err != nil {
		a.fail(w, r, err)
	}
}

// nosniff and jsonType are header values that all answers share; nothing changes them.
var (
	nosniff  = []string{"nosniff"}
	jsonType = []string{"application/json"}
)

func (a *api) route(w http.ResponseWriter, r *http.Request) error {
	res, id := a.find(r.URL.Path)
	if res == nil {
		return newProblem(http.StatusNotFound, "not_found", a.elsewhere)
	}
	e, found := res.endpoints[r.Method]
	if !found {
		w.Header().Set("Allow", res.allow)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return newProblem(http.StatusMethodNotAllowed, "method_not_allowed", "This path takes "+res.allow+".")
	}
	if err := a.authorize(w, r, e.needs); err != nil {
		return err
	}
	return e.serve(w, r, id)
}

// inWords is what is logged of a panic's cause: the text of an error or a string. Of
// other values only the type, because anything may be in them.
func inWords(cause any) string {
	switch c := cause.(type) {
	case error:
		return c.Error()
	case string:
		return c
	}
	return fmt.Sprintf("a %T", cause)
}

// rescue answers for a handler that panicked, and keeps the service alive.
func (a *api) rescue(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause) // net/http's way to cut a connection
	}
	a.Log.ErrorContext(r.Context(), "request panicked", "method", r.Method, "path", clip(r.URL.Path, 200),
		"panic", inWords(cause), "stack", string(debug.Stack()))
	a.refuse(w, internalProblem())
}
