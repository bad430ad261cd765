package api

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Behind a proxy that serves the API under an unknown prefix, every reference in the pages, the
// document and each Location leads to the right place.
func TestEveryReferenceHoldsUnderAPrefix(t *testing.T) {
	s := newServer(t)
	api, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "/hooks", "/a/b/c", "/with%20blank"} {
		plain, _ := url.PathUnescape(prefix)
		proxy := httptest.NewServer(http.StripPrefix(plain, httputil.NewSingleHostReverseProxy(api)))
		t.Cleanup(proxy.Close)
		behind := &server{T: t, Server: proxy, memory: s.memory, log: s.log}
		// follow resolves a reference like a browser, and requests it from the proxy.
		follow := func(from, reference string) reply {
			t.Helper()
			base, err := url.Parse(proxy.URL + prefix + from)
			if err != nil {
				t.Fatal(err)
			}
			to, err := base.Parse(reference)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(to.EscapedPath(), prefix+"/") {
				t.Errorf("under %q, %q in %s leaves the prefix and leads to %s", prefix, reference, from, to)
			}
			return behind.do("GET", to.EscapedPath(), "")
		}

		home := behind.want(302, behind.do("GET", prefix+"/", ""))
		behind.want(200, follow("/", home.header.Get("Location")))
		for _, from := range []string{"/docs", "/docs/"} {
			page := behind.want(200, behind.do("GET", prefix+from, ""))
			references := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.text, -1)
			if len(references) != 5 {
				t.Errorf("%s has %d references: %s", from, len(references), page.text)
			}
			for _, r := range references {
				behind.want(200, follow(from, r[1]))
			}
		}
		script := behind.want(200, behind.do("GET", prefix+"/docs/init.js", ""))
		document := regexp.MustCompile(`url: new URL\("([^"]+)", document\.currentScript\.src\)`).FindStringSubmatch(script.text)
		if document == nil {
			t.Fatalf("the script does not name the document: %s", script.text)
		}
		described := behind.want(200, follow("/docs/init.js", document[1]))
		root := described.json["servers"].([]any)[0].(map[string]any)["url"].(string)
		for path, item := range described.json["paths"].(map[string]any) {
			if !strings.Contains(path, "{") && item.(map[string]any)["get"] != nil {
				behind.want(200, follow("/openapi.json", root+path))
			}
		}
		for _, from := range []string{"/subscriptions", "/subscriptions/"} {
			made := behind.want(201, behind.do("POST", prefix+from, minimal))
			if got := behind.want(200, follow(from, made.header.Get("Location"))); got.json["id"] != made.json["id"] {
				t.Errorf("Location leads to %s", got.text)
			}
		}
	}
}

// No response contains a path from the root.
func TestPagesHoldNoAbsolutePath(t *testing.T) {
	for name, text := range map[string][]byte{"index.html": indexHTML, "init.js": initJS} {
		if found := regexp.MustCompile("[\"'`]/[a-z]").Find(text); found != nil {
			t.Errorf("%s contains %q", name, found)
		}
	}
}
