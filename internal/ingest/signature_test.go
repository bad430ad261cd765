package ingest

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/webhook"
)

// signed returns the headers of a request whose body is signed with a secret.
func signed(t *testing.T, secret string, at time.Time, body string) http.Header {
	t.Helper()
	s, err := webhook.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	if err := s.SignHeader(h, "msg_1", at, []byte(body)); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestSignatures(t *testing.T) {
	const secret, old = "whsec_c2VjcmV0LW9mLXRoZS1zdWJzY3JpcHRpb24=", "my_old_secret"
	now := newWorld().now
	sign := func(with string, age time.Duration, body string, without ...string) http.Header {
		h := signed(t, with, now.Add(-age), body)
		for _, name := range without {
			h.Del(name)
		}
		return h
	}
	standard := []string{webhook.HeaderID, webhook.HeaderTimestamp, webhook.HeaderSignature}
	both := sign(secret, 0, good)
	both.Set(webhook.HeaderSignature, sign("wrong", 0, good).Get(webhook.HeaderSignature))
	twice := sign(secret, 0, good)
	twice.Add(webhook.HeaderSignature, "v1,AAAA")

	for _, c := range []struct {
		why      string
		secrets  []event.Secret
		required bool
		header   http.Header
		ok       bool
	}{
		{"right, and required", []event.Secret{secret}, true, sign(secret, 0, good), true},
		{"right, and not required", []event.Secret{secret}, false, sign(secret, 0, good), true},
		{"with the secret that is being replaced", []event.Secret{secret, old}, true, sign(old, 0, good), true},
		{"with another secret", []event.Secret{secret}, false, sign(old, 0, good), false},
		{"of another body", []event.Secret{secret}, false, sign(secret, 0, good+" "), false},
		{"none, and required", []event.Secret{secret}, true, http.Header{}, false},
		{"none, and not required", []event.Secret{secret}, false, http.Header{}, true},
		{"there is no secret to check it with", nil, false, sign(secret, 0, good), true},
		{"there is no secret, and it is required", nil, true, sign(secret, 0, good), false},
		{"nearly five minutes old", []event.Secret{secret}, true, sign(secret, 299*time.Second, good), true},
		{"more than five minutes old", []event.Secret{secret}, true, sign(secret, 301*time.Second, good), false},
		{"from the future", []event.Secret{secret}, true, sign(secret, -301*time.Second, good), false},
		{"X-Hub-Signature-256 alone", []event.Secret{secret}, true, sign(secret, 0, good, standard...), true},
		{"only X-Hub-Signature-256, wrong", []event.Secret{secret}, false, sign(old, 0, good, standard...), false},
		{"only Standard Webhooks", []event.Secret{secret}, true, sign(secret, 0, good, webhook.HeaderHubSignature), true},
		{"Standard Webhooks without its id", []event.Secret{secret}, false, sign(secret, 0, good, webhook.HeaderID), false},
		{"Standard Webhooks without its time", []event.Secret{secret}, false, sign(secret, 0, good, webhook.HeaderTimestamp), false},
		{"a wrong one of Standard Webhooks and a right X-Hub-Signature-256", []event.Secret{secret}, true, both, false},
		{"given twice", []event.Secret{secret}, true, twice, false},
		{"empty, and required", []event.Secret{secret}, true, http.Header{webhook.HeaderSignature: {""}}, false},
		{"a secret that can't be decoded", []event.Secret{"whsec_???"}, true, sign(old, 0, good), false},
	} {
		w := newWorld()
		w.sub.Secrets, w.sub.RequireSignature = c.secrets, c.required
		_, err := w.ingest(good, func(s *event.Submission) { s.Header = c.header })
		if ok := err == nil; ok != c.ok || err != nil && !errors.Is(err, event.ErrUnauthorized) {
			t.Errorf("%s: accepted is %v, want %v (%v)", c.why, ok, c.ok, err)
		}
		if took := w.accepted.Event.Type != ""; took != c.ok {
			t.Errorf("%s: stored %v", c.why, took)
		}
	}
}

// A caller that can't sign must learn nothing else about the subscription.
func TestSignatureIsCheckedFirst(t *testing.T) {
	w := newWorld()
	w.sub.Secrets, w.sub.RequireSignature, w.sub.Active = []event.Secret{"s"}, true, false
	w.sub.EventTypes = []string{"order.*"}
	for _, body := range []string{good, `{"event":`, `{}`} {
		if _, err := w.ingest(body); !errors.Is(err, event.ErrUnauthorized) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
