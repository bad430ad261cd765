package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed" // for the files of Swagger UI
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// Swagger UI is embedded, so the page works without a network. swaggerui/VERSION names the source
// of the files.
var (
	//go:embed swaggerui/index.html
	indexHTML []byte
	//go:embed swaggerui/init.js
	initJS []byte
	//go:embed swaggerui/icon.svg
	iconSVG []byte
	//go:embed swaggerui/swagger-ui-bundle.js.gz
	bundleJS []byte
	//go:embed swaggerui/swagger-ui.css.gz
	styleCSS []byte
)

// docsPolicy lets the page load only from this origin. Swagger UI's style sheet embeds its icons as
// data URLs.
const docsPolicy = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// docsPage is one path of the documentation.
type docsPage struct {
	path  string
	serve handler
}

func docsPages(document *huma.OpenAPI) []docsPage {
	written := sync.OnceValues(func() (asset, error) {
		text, err := writeDocument(document)
		return newAsset("application/json", text, false), err
	})
	openapi := func(w http.ResponseWriter, r *http.Request, _ params) error {
		f, err := written()
		if err != nil {
			return err
		}
		return f.serve(w, r, params{})
	}
	return []docsPage{
		{"/", func(w http.ResponseWriter, r *http.Request, _ params) error {
			w.Header().Set("Location", relativeTo(r, "docs")) // someone who opens the address in a browser wants the documentation
			w.WriteHeader(http.StatusFound)
			return nil
		}},
		{"/openapi.json", openapi},
		{"/docs", docsIndex()},
		{"/docs/init.js", newAsset("text/javascript; charset=utf-8", initJS, false).serve},
		{"/docs/icon.svg", newAsset("image/svg+xml", iconSVG, false).serve},
		{"/docs/swagger-ui-bundle.js", newAsset("text/javascript; charset=utf-8", bundleJS, true).serve},
		{"/docs/swagger-ui.css", newAsset("text/css; charset=utf-8", styleCSS, true).serve},
	}
}

// docsIndex serves the page at /docs and at /docs/, which need different relative references.
func docsIndex() handler {
	const html = "text/html; charset=utf-8"
	page := newAsset(html, indexHTML, false)
	below := strings.NewReplacer(`"docs/`, `"`, `"openapi.json"`, `"../openapi.json"`).Replace(string(indexHTML))
	pageBelow := newAsset(html, []byte(below), false)
	return func(w http.ResponseWriter, r *http.Request, path params) error {
		if strings.HasSuffix(r.URL.Path, "/") {
			return pageBelow.serve(w, r, path)
		}
		return page.serve(w, r, path)
	}
}

// relativeTo returns a reference from the path of a request to another path, given without its
// leading slash. A proxy may serve the API under a prefix that Hookferry does not know, so every
// reference is relative (RFC 3986, section 5).
func relativeTo(r *http.Request, path string) string {
	depth := strings.Count(r.URL.EscapedPath(), "/") - 1
	return strings.Repeat("../", max(0, depth)) + path
}

// asset is a file that does not change while the process runs.
type asset struct {
	contentType string
	body        []byte
	zipped      bool // the body is stored gzipped
	tag         string
}

func newAsset(contentType string, body []byte, zipped bool) asset {
	sum := sha256.Sum256(body)
	return asset{contentType: contentType, body: body, zipped: zipped, tag: hex.EncodeToString(sum[:8])}
}

// serve lets browsers cache the file but revalidate it every time, so that after an update an old
// script never meets a new document.
func (f asset) serve(w http.ResponseWriter, r *http.Request, _ params) error {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	zipped := f.zipped && acceptsGzip(r.Header.Get("Accept-Encoding"))
	tag := `"` + f.tag + `"`
	if f.zipped {
		h.Set("Vary", "Accept-Encoding")
	}
	if zipped {
		tag = `"` + f.tag + `-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if f.zipped && !zipped {
		return f.unzip(w)
	}
	w.Write(f.body)
	return nil
}

func (f asset) unzip(w http.ResponseWriter) error {
	body, err := gzip.NewReader(bytes.NewReader(f.body))
	if err != nil {
		return fmt.Errorf("unzip an embedded file: %w", err)
	}
	io.Copy(w, body)
	return nil
}

// acceptsGzip reports whether an Accept-Encoding header allows gzip.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "*" {
			continue
		}
		_, quality, given := strings.Cut(strings.ReplaceAll(params, " ", ""), "q=")
		return !given || strings.Trim(quality, "0.") != ""
	}
	return false
}
