package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/webhook"
)

func TestSignPublishedVectors(t *testing.T) {
	h := sign(t, mustSigner(t, vectorSecret), vectorID, vectorTime(), []byte(vectorBody))
	for name, want := range map[string]string{
		"webhook-id":        vectorID,
		"webhook-timestamp": vectorTimestamp,
		"webhook-signature": vectorSignature,
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	h = sign(t, mustSigner(t, hubSecret), vectorID, vectorTime(), []byte(hubBody))
	if got := h.Get("x-hub-signature-256"); got != hubSignature {
		t.Errorf("x-hub-signature-256 is %q, want %q", got, hubSignature)
	}
}

// GitHub never decodes a secret, so endpoints written for it would fail if the key were the decoded
// bytes.
func TestHubKeyIsTheSecretText(t *testing.T) {
	h := sign(t, mustSigner(t, vectorSecret), vectorID, vectorTime(), []byte(vectorBody))
	mac := hmac.New(sha256.New, []byte(vectorSecret))
	mac.Write([]byte(vectorBody))
	if got, want := h.Get(webhook.HeaderHubSignature), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSignWithSeveralSecrets(t *testing.T) {
	body := []byte(vectorBody)
	newest, oldest := webhook.NewSecret(), vectorSecret
	h := sign(t, mustSigner(t, newest, oldest), vectorID, vectorTime(), body)
	alone := sign(t, mustSigner(t, newest), vectorID, vectorTime(), body)

	want := alone.Get(webhook.HeaderSignature) + " " + vectorSignature
	if got := h.Get(webhook.HeaderSignature); got != want {
		t.Errorf("got %q, want one entry for each secret, newest first", got)
	}
	if h.Get(webhook.HeaderHubSignature) != alone.Get(webhook.HeaderHubSignature) {
		t.Error("X-Hub-Signature-256 must be made with the newest secret")
	}
	for _, secret := range []string{newest, oldest} {
		if err := mustVerifier(t, []string{secret}).Verify(h, body); err != nil {
			t.Errorf("a receiver that knows one of the secrets must accept: %v", err)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	now := vectorTime()
	for _, tc := range []struct {
		id     string
		at     time.Time
		want   error
		reason string
	}{
		{"", now, webhook.ErrBadID, "such events can't be told apart"},
		{"evt.1", now, webhook.ErrBadID, "with a full stop, the end of the id is ambiguous"},
		{"evt 1", now, webhook.ErrBadID, "spaces at the ends of a header get lost"},
		{"evt\r\nX: y", now, webhook.ErrBadID, "a line end would start another header"},
		{"événement", now, webhook.ErrBadID, "headers are ASCII"},
		{strings.Repeat("i", 257), now, webhook.ErrBadID, "longer than a Verifier reads"},
		{"evt_1", time.Time{}, webhook.ErrBadTime, "the zero time"},
		{"evt_1", time.Unix(-1, 0), webhook.ErrBadTime, "a Verifier refuses a sign"},
		{"evt_1", time.Unix(1e15, 0), webhook.ErrBadTime, "more digits than a Verifier reads"},
	} {
		h := http.Header{webhook.HeaderID: {"before"}}
		err := mustSigner(t, hubSecret).SignHeader(h, tc.id, tc.at, nil)
		if !errors.Is(err, tc.want) {
			t.Errorf("%q at %s: got %v, want %v: %s", tc.id, tc.at, err, tc.want, tc.reason)
		}
		if len(h) != 1 || h.Get(webhook.HeaderID) != "before" {
			t.Errorf("%q: a refused id changed the headers to %v", tc.id, h)
		}
	}
}

func TestSignReplacesAndDoesNotShare(t *testing.T) {
	s := mustSigner(t, vectorSecret)
	h := vectorHeader()
	h.Set(webhook.HeaderSignature, wrongSignature)
	if err := s.SignHeader(h, vectorID, vectorTime(), []byte(vectorBody)); err != nil {
		t.Fatal(err)
	}
	if got := h.Values(webhook.HeaderSignature); len(got) != 1 || got[0] != vectorSignature {
		t.Errorf("signing again left %q", got)
	}
	h.Add(webhook.HeaderID, "added")
	if got := h.Get(webhook.HeaderTimestamp); got != vectorTimestamp {
		t.Errorf("adding to one header changed the next to %q", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	s, v := mustSigner(t, "new", "old"), mustVerifier(t, []string{"old"})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, 1000*i)
			for range 200 {
				h := http.Header{}
				if err := s.SignHeader(h, vectorID, vectorTime(), body); err != nil {
					t.Error(err)
				}
				if err := v.Verify(h, body); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
