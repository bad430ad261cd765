package api

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRefusedKeysAreCountedAndLogged(t *testing.T) {
	for _, c := range []struct {
		why, key, path string
		status         int
		want           string // in the log
	}{
		{keyMissing, "", "/subscriptions/", 401, "reason=missing address=127.0.0.1 method=GET path=/subscriptions/"},
		{keyUnknown, "hf_another-services-secret", "/subscriptions/", 401, "reason=unknown"},
		{keyRevoked, testKey + "-gone", "/subscriptions/", 401, "reason=revoked"},
		{keyExpired, testKey + "-old", "/subscriptions/", 401, "reason=expired"},
		{keyScope, testKey + "-pub", "/subscriptions/", 403, "reason=scope"},
		{"", testKey, "/subscriptions/", 200, ""},
		{"", "", "/livez", 200, ""},
	} {
		var counted []string
		s := newServer(t, withKeys, func(o *Options) { o.KeyRefused = func(reason string) { counted = append(counted, reason) } })
		s.key = c.key
		s.want(c.status, s.do("GET", c.path, ""))
		if got := strings.Join(counted, " "); got != c.why {
			t.Errorf("%q with %s: counted %q, want %q", c.key, c.path, got, c.why)
		}
		text := s.log.String()
		if !strings.Contains(text, c.want) || c.want == "" && text != "" || strings.Contains(text, "another-services") {
			t.Errorf("%s: the log says %s", c.why, text)
		}
		if named := strings.Contains(text, "begins_with="); named != (c.why == keyRevoked || c.why == keyExpired || c.why == keyScope) {
			t.Errorf("%s: the log names the key: %v: %s", c.why, named, text)
		}
	}
}

func TestKeyLogIsLimited(t *testing.T) {
	now := testTime
	s := newServer(t, withKeys, func(o *Options) { o.Now = func() time.Time { return now } })
	s.key = "wrong"
	for range keyLines + 5 {
		s.do("GET", "/subscriptions/", "")
	}
	if n := strings.Count(s.log.String(), "API key refused"); n != keyLines {
		t.Errorf("%d lines, want %d", n, keyLines)
	}
	now = now.Add(keyInterval)
	s.do("GET", "/subscriptions/", "")
	if text := s.log.String(); strings.Count(text, "API key refused") != keyLines+1 || !strings.Contains(text, "omitted_before=5") {
		t.Errorf("a minute later: %s", text)
	}
}

// TestProbesAreNotCountedAsRefused: load balancers probe every second.
func TestProbesAreNotCountedAsRefused(t *testing.T) {
	refused := 0
	s := newServer(t, func(o *Options) {
		o.Ready = func() error { return errors.New("the service is stopping") }
		o.Refused = func(int) { refused++ }
	})
	s.want(503, s.do("GET", "/readyz", ""))
	if s.want(404, s.do("GET", "/nonsense", "")); refused != 1 {
		t.Errorf("%d problems are counted, want only that of the request", refused)
	}
}
