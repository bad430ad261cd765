package api

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
)

func TestDocsPageNeedsNobodyElse(t *testing.T) {
	s := newServer(t)
	page := s.want(200, s.do("GET", "/docs", ""))
	if page.text != string(indexHTML) || page.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("the page is %s", page.text)
	}
	if got := page.header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'self';") || strings.Contains(got, "unsafe") || strings.Contains(got, "http") {
		t.Errorf("Content-Security-Policy is %q", got)
	}
	if strings.Contains(page.text, "//") || strings.Contains(page.text, "style=") || strings.Contains(page.text, "<script>") {
		t.Error("the page refers to another origin, or has inline script or style")
	}
	if script := s.want(200, s.do("GET", "/docs/init.js", "")); !strings.Contains(script.text, "validatorUrl: null") {
		t.Error("the page would call the public validator")
	}
}

func TestDocsEncoding(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		accept string
		zipped bool
	}{
		{"gzip", true},
		{"br, GZIP;q=0.5", true},
		{"*", true},
		{"identity", false},
		{"gzip;q=0, br", false},
		{"gzip; q=0.000", false},
		{"xgzip", false},
	} {
		for _, f := range []struct{ path, contentType, begins string }{
			{"/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8", "/*! For license information"},
			{"/docs/swagger-ui.css", "text/css; charset=utf-8", ".swagger-ui"},
		} {
			r := s.want(200, s.do("GET", f.path, "", "Accept-Encoding: "+c.accept))
			if got := r.header.Get("Content-Encoding") == "gzip"; got != c.zipped {
				t.Errorf("%s with Accept-Encoding %q: zipped is %v", f.path, c.accept, got)
			}
			text := []byte(r.text)
			if c.zipped {
				text = unzip(t, text)
			}
			if !bytes.HasPrefix(text, []byte(f.begins)) || r.header.Get("Content-Type") != f.contentType || r.header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s is %v %.60s", f.path, r.header, text)
			}
		}
	}
}

func unzip(t *testing.T, zipped []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDocsFilesAreSentOnce(t *testing.T) {
	s := newServer(t)
	for _, path := range []string{"/docs", "/docs/swagger-ui-bundle.js", "/openapi.json"} {
		first := s.want(200, s.do("GET", path, "", "Accept-Encoding: gzip"))
		again := s.want(304, s.do("GET", path, "", "Accept-Encoding: gzip", "If-None-Match: W/"+first.header.Get("ETag")))
		if first.header.Get("ETag") == "" || again.text != "" || again.header.Get("ETag") != first.header.Get("ETag") {
			t.Errorf("%s: %v", path, again.header)
		}
		s.want(200, s.do("GET", path, "", "If-None-Match: \"other\""))
	}
	plain := s.do("GET", "/docs/swagger-ui.css", "", "Accept-Encoding: identity")
	zipped := s.do("GET", "/docs/swagger-ui.css", "", "Accept-Encoding: gzip")
	if plain.header.Get("ETag") == zipped.header.Get("ETag") {
		t.Error("two forms of a file have the same ETag")
	}
}

func TestDocumentIsServedWithItsVersion(t *testing.T) {
	s := newServer(t)
	r := s.want(200, s.do("GET", "/openapi.json", ""))
	want, err := OpenAPI("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	if r.text != string(want) || r.json["info"].(map[string]any)["version"] != "1.2.3" {
		t.Error("/openapi.json differs from the document that OpenAPI returns")
	}
}
