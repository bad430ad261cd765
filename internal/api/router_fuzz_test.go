package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// slowRouter finds routes by comparing a path with each of them.
type slowRouter struct{ routes []slowRoute }

type slowRoute struct {
	method, path string
	segments     []string // as written, with parameters in braces
}

func segmentsOf(path string) []string {
	path = strings.TrimSuffix(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path[1:], "/")
}

func isParameter(segment string) bool { return strings.HasPrefix(segment, "{") }

// shape is a path without the names of its parameters. Of two matching shapes, the better one sorts
// first: the mark of a literal is less than that of a parameter.
func shape(segments []string) string {
	var b strings.Builder
	for _, s := range segments {
		if isParameter(s) {
			b.WriteString("2/")
		} else {
			b.WriteString("1" + s + "/")
		}
	}
	return b.String()
}

// add reports whether the route conflicts with no other route.
func (r *slowRouter) add(method, path string) bool {
	added := slowRoute{method, path, segmentsOf(path)}
	for _, other := range r.routes {
		if shape(other.segments) != shape(added.segments) {
			continue
		}
		if !slices.Equal(other.segments, added.segments) || slices.ContainsFunc(methodsOf(other.method), func(m string) bool {
			return slices.Contains(methodsOf(method), m)
		}) {
			return false
		}
	}
	r.routes = append(r.routes, added)
	return true
}

func methodsOf(method string) []string {
	if method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{method}
}

// find returns the methods at a path, in the form of Allow, and the values of the parameters.
func (r *slowRouter) find(u *url.URL) (allow string, values []string) {
	var decoded []string
	for _, s := range segmentsOf(u.EscapedPath()) {
		text, err := url.PathUnescape(s)
		if err != nil {
			return "", nil
		}
		decoded = append(decoded, text)
	}
	best, methods := "", []string{http.MethodOptions}
	for _, route := range r.routes {
		found, fits := match(route.segments, decoded)
		if !fits {
			continue
		}
		switch s := "/" + shape(route.segments); {
		case best == "" || s < best:
			best, values = s, found
			methods = append([]string{http.MethodOptions}, methodsOf(route.method)...)
		case s == best:
			methods = append(methods, methodsOf(route.method)...)
		}
	}
	if best == "" {
		return "", nil
	}
	slices.Sort(methods)
	return strings.Join(methods, ", "), values
}

func match(pattern, path []string) (values []string, fits bool) {
	if len(pattern) != len(path) {
		return nil, false
	}
	for i, want := range pattern {
		switch {
		case !isParameter(want) && want != path[i]:
			return nil, false
		case isParameter(want):
			if path[i] == "" || path[i] == "." || path[i] == ".." {
				return nil, false
			}
			values = append(values, path[i])
		}
	}
	return values, true
}

// pathOf makes a path from words that the bytes choose.
func pathOf(choice []byte, words []string) string {
	var b strings.Builder
	for _, c := range choice {
		b.WriteString("/" + words[int(c)%len(words)])
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// FuzzRouter compares the router with a slow and simple one, with routes and paths that the bytes
// choose. Each line of routes is a method and a path.
func FuzzRouter(f *testing.F) {
	f.Add([]byte("\x00\x00\n\x01\x00\x03\n\x00\x00\x03\x01\n\x00\x00\x01\x02"), []byte("\x00\x01"), "")
	f.Add([]byte("\x00\x03\x04\x03\n\x02\x00\x04\n\x00\x00\x00\x00"), []byte("\x00\x00\x04"), "/a/%2F/b/")
	f.Add([]byte("\x00\n\x01\n\x02\n\x00"), []byte{}, "/a%2Fb/..//%2e")
	inRoutes := []string{"a", "b", "c", "{x}", "{y}", "{z}"}
	inPaths := []string{"a", "b", "c", "d", "", ".", "..", "a%2Fb", "%61", "%2e", "{x}", "é"}
	f.Fuzz(func(t *testing.T, routes, path []byte, raw string) {
		var fast router
		var slow slowRouter
		for line := range strings.SplitSeq(string(routes), "\n") {
			if line == "" || len(line) > 7 {
				continue
			}
			method := []string{"GET", "HEAD", "PUT"}[int(line[0])%3]
			written := pathOf([]byte(line[1:]), inRoutes)
			if _, err := parsePattern(written); err != nil {
				continue // the same name twice
			}
			wanted := slow.add(method, written)
			if err := fast.add(method, written, endpoint{}); (err == nil) != wanted {
				t.Fatalf("%s %s beside %+v: %v", method, written, slow.routes, err)
			}
		}
		for _, text := range []string{pathOf(path, inPaths), pathOf(path, inPaths) + "/", raw} {
			u, err := url.ParseRequestURI(text)
			if err != nil || !strings.HasPrefix(u.Path, "/") {
				continue
			}
			allow, values := slow.find(u)
			res, in := fast.find(u)
			var gotAllow string
			var got []string
			if res != nil {
				gotAllow = res.allow
				for _, name := range res.pattern.parameters() {
					got = append(got, in.get(name))
				}
			}
			if gotAllow != allow || !slices.Equal(got, values) {
				t.Errorf("%q among %+v: allows %q with %q, want %q with %q", text, slow.routes, gotAllow, got, allow, values)
			}
		}
	})
}
