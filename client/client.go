package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// timeout limits a request and its response, unless [WithHTTPClient] is used.
	timeout = 30 * time.Second
	// maxResponse limits the size of a response. The largest page of attempts is much smaller.
	maxResponse = 32 << 20
)

// Client calls one Hookferry service. It is safe for concurrent use.
type Client struct {
	base string // without a trailing slash
	key  string
	http *http.Client
}

// Option configures a [Client].
type Option func(*Client)

// WithKey sends the API key with every request. A service started with --dev needs no key.
func WithKey(key string) Option { return func(c *Client) { c.key = key } }

// WithHTTPClient makes requests with h: for another timeout, a proxy, or your own certificates. It
// should not follow redirects.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// New returns a client for the service at baseURL, for example http://127.0.0.1:8000 or
// https://example.com/hooks. It makes no request.
func New(baseURL string, opts ...Option) (*Client, error) {
	if err := checkBase(baseURL); err != nil {
		return nil, err
	}
	c := &Client{base: strings.TrimRight(baseURL, "/"), http: newHTTPClient()}
	for _, opt := range opts {
		opt(c)
	}
	if c.http == nil {
		return nil, errors.New("the HTTP client is nil; leave WithHTTPClient out to use the default")
	}
	if strings.ContainsFunc(c.key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the API key contains a space, a control character or a character outside ASCII; copy it again")
	}
	return c, nil
}

func checkBase(baseURL string) error {
	u, err := url.Parse(baseURL)
	switch {
	case err != nil: // the error of url.Parse repeats the URL, which may contain a password
		return errors.New("the service's URL is malformed; write it like http://127.0.0.1:8000")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return errors.New("the service's URL must have a scheme and a host; write it like http://127.0.0.1:8000")
	case u.User != nil:
		return errors.New("the service's URL must not contain a user name or password; set the API key with WithKey")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("the service's URL must not have a query or a fragment; write it like http://127.0.0.1:8000")
	}
	return nil
}

// newHTTPClient keeps enough connections for callers that publish from many goroutines. It follows
// no redirects, because they would turn a POST into a GET.
func newHTTPClient() *http.Client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}
	return &http.Client{
		Timeout:       timeout,
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CloseIdleConnections closes connections that are kept for later requests.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// call is one request.
type call struct {
	method         string
	path           string // of the API, with its escaped parameter and its query
	body           []byte // JSON, or nil
	idempotencyKey string
	ifMatch        string
	into           any     // the response's body is decoded into it, unless it is nil
	etag           *string // set to the response's ETag, unless it is nil
	alsoOK         int     // a status that is a success although it is not 2xx
}

// doJSON sends a value as the body of a call.
func (c *Client) doJSON(ctx context.Context, what string, value any, call call) (err error) {
	if call.body, err = json.Marshal(value); err != nil {
		return fmt.Errorf("write the %s as JSON: %w", what, err)
	}
	return c.do(ctx, call)
}

func (c *Client) do(ctx context.Context, call call) error {
	req, err := http.NewRequestWithContext(ctx, call.method, c.base+call.path, bytes.NewReader(call.body))
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if call.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if call.idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", call.idempotencyKey)
	}
	if call.ifMatch != "" {
		req.Header.Set("If-Match", call.ifMatch)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the response to %s %s: %w", call.method, call.path, err)
	case len(body) > maxResponse:
		return fmt.Errorf("the response to %s %s is longer than %d bytes", call.method, call.path, maxResponse)
	}
	return call.take(resp, body)
}

func (call call) take(resp *http.Response, body []byte) error {
	isSuccess := resp.StatusCode >= 200 && resp.StatusCode <= 299
	if !isSuccess && (resp.StatusCode != call.alsoOK || !hasType(resp, "application/json")) {
		return readProblem(resp, body)
	}
	if call.etag != nil {
		*call.etag = resp.Header.Get("ETag")
	}
	if call.into == nil {
		return nil
	}
	if err := json.Unmarshal(body, call.into); err != nil {
		return fmt.Errorf("the response to %s %s is not from Hookferry (%w); check the service's URL", call.method, call.path, err)
	}
	return nil
}

// escape escapes an id for use in a path. It refuses ids that would lead to another path.
func escape(what, id string) (string, error) {
	if leadsElsewhere(id) {
		return "", fmt.Errorf("%q is not the id of a %s; an id looks like 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071", id, what)
	}
	return url.PathEscape(id), nil
}

// escapeName is escape for what the caller names: a tenant, an event type, a uid.
func escapeName(what, name string) (string, error) {
	if leadsElsewhere(name) {
		return "", fmt.Errorf("%q can't be the %s", name, what)
	}
	return url.PathEscape(name), nil
}

func leadsElsewhere(element string) bool { return element == "" || element == "." || element == ".." }
