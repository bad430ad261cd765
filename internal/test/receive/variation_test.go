package receive

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/webhook"
)

// variation is how a request differs from a delivery, and whether it must be accepted.
type variation struct {
	why    string
	change func(t *testing.T, r *request, secret string)
	accept bool
}

// set changes a header.
func set(name, value string) func(*testing.T, *request, string) {
	return func(_ *testing.T, r *request, _ string) { r.header.Set(name, value) }
}

// without removes headers.
func without(names ...string) func(*testing.T, *request, string) {
	return func(_ *testing.T, r *request, _ string) {
		for _, name := range names {
			r.header.Del(name)
		}
	}
}

// signedAgo signs the request with a time in the past.
func signedAgo(age time.Duration) func(*testing.T, *request, string) {
	return func(t *testing.T, r *request, secret string) { r.sign(t, time.Now().Add(-age), secret) }
}

var variations = []variation{
	{"the delivery as it was", func(*testing.T, *request, string) {}, true},
	{"one byte is changed", func(_ *testing.T, r *request, _ string) { r.body[len(r.body)-4]++ }, false},
	{"one byte is added", func(_ *testing.T, r *request, _ string) { r.body = append(r.body, '\n') }, false},
	{"no body", func(_ *testing.T, r *request, _ string) { r.body = nil }, false},
	{"another event's id", set(webhook.HeaderID, "01936f2a-7c1e-7d3a-9b52-4f6a8e21c0d7"), false},

	{"signed six minutes ago", signedAgo(6 * time.Minute), false},
	{"signed a year ago", signedAgo(365 * 24 * time.Hour), false},
	{"signed six minutes ahead", signedAgo(-6 * time.Minute), false},
	{"signed four minutes ago", signedAgo(4 * time.Minute), true},
	{"signed four minutes ahead", signedAgo(-4 * time.Minute), true},
	{"a timestamp that was not signed", func(_ *testing.T, r *request, _ string) { r.age(time.Minute) }, false},
	{"a timestamp that is not a number", set(webhook.HeaderTimestamp, "today"), false},
	{"a timestamp in milliseconds", set(webhook.HeaderTimestamp, "1764316800000"), false},
	{"a negative timestamp", set(webhook.HeaderTimestamp, "-1"), false},
	{"a timestamp of more than 64 bits", set(webhook.HeaderTimestamp, strings.Repeat("9", 5000)), false},

	{"another secret", func(t *testing.T, r *request, _ string) { r.sign(t, time.Now(), webhook.NewSecret()) }, false},
	{"signed with two secrets; the endpoint has the older one", func(t *testing.T, r *request, secret string) { r.sign(t, time.Now(), webhook.NewSecret(), secret) }, true},
	{"signed with two secrets; the endpoint has the newer one", func(t *testing.T, r *request, secret string) { r.sign(t, time.Now(), secret, webhook.NewSecret()) }, true},
	{"signed with two other secrets", func(t *testing.T, r *request, _ string) {
		r.sign(t, time.Now(), webhook.NewSecret(), webhook.NewSecret())
	}, false},
	{"a signature of another version", func(_ *testing.T, r *request, _ string) {
		r.header.Set(webhook.HeaderSignature, "v2"+strings.TrimPrefix(r.header.Get(webhook.HeaderSignature), "v1"))
	}, false},
	{"a truncated signature", func(_ *testing.T, r *request, _ string) {
		r.header.Set(webhook.HeaderSignature, r.header.Get(webhook.HeaderSignature)[:20])
	}, false},
	{"an empty signature", set(webhook.HeaderSignature, "v1,"), false},
	{"a version without a signature", set(webhook.HeaderSignature, "v1"), false},
	{"a comma", set(webhook.HeaderSignature, ","), false},
	{"a signature with characters outside ASCII", set(webhook.HeaderSignature, "v1,\xe9\u6f22"), false},

	{"no id", without(webhook.HeaderID), false},
	{"no time", without(webhook.HeaderTimestamp), false},
	{"no signature", without(webhook.HeaderSignature), false},
	{"a signature of the body only", without(webhook.HeaderID, webhook.HeaderTimestamp, webhook.HeaderSignature), false},
	{"unsigned", func(_ *testing.T, r *request, _ string) { r.header = http.Header{} }, false},
	{"a body of 2 MiB", func(t *testing.T, r *request, secret string) {
		r.body = bytes.Repeat([]byte(" "), 2<<20)
		r.sign(t, time.Now(), secret)
	}, false},

	{"the original delivery, after all of these", func(*testing.T, *request, string) {}, true},
}

// try sends the request. A program that only closes the connection has refused it too.
func (v variation) try(t *testing.T, url string, recorded request, secret string) {
	t.Helper()
	r := recorded.clone()
	v.change(t, &r, secret)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = r.header
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		if v.accept {
			t.Errorf("%s: %v, want it accepted", v.why, err)
		}
		return
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Errorf("%s: %v", v.why, err)
	}
	accepted := res.StatusCode/100 == 2
	if accepted != v.accept || res.StatusCode >= 500 {
		t.Errorf("%s: %s; want it accepted: %t", v.why, res.Status, v.accept)
	}
}

// breakOff begins a request and closes the connection.
func breakOff(t *testing.T, target string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /webhook HTTP/1.1\r\nHost: "+u.Host+"\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
}
