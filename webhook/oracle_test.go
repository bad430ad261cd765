package webhook_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	oracle "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/webhook"
)

// TestOracle compares this package with the reference library in both directions: each must accept
// what the other signs, and both must refuse it after a change to the body or the id.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "key")
		id := rapid.StringMatching(`[!-\-/-~]{1,60}`).Draw(t, "id")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		// The reference library has no adjustable clock.
		at := time.Now().Add(time.Duration(rapid.IntRange(-290, 290).Draw(t, "offset")) * time.Second)

		secret := "whsec_" + base64.StdEncoding.EncodeToString(raw)
		theirs, err := oracle.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "unpadded") {
			secret = strings.TrimRight(secret, "=")
		}
		signer, err := webhook.NewSigner(secret)
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := webhook.NewVerifier([]string{secret})
		if err != nil {
			t.Fatal(err)
		}

		h := http.Header{}
		if err := signer.SignHeader(h, id, at, body); err != nil {
			t.Fatal(err)
		}
		if want, _ := theirs.Sign(id, at, body); h.Get(oracle.HeaderWebhookSignature) != want {
			t.Fatalf("signed %q, the reference %q", h.Get(oracle.HeaderWebhookSignature), want)
		}
		check := func(body []byte, ok bool, what string) {
			if err := verifier.Verify(h, body); (err == nil) != ok {
				t.Errorf("%s: Verify: %v", what, err)
			}
			if err := theirs.Verify(body, h); (err == nil) != ok {
				t.Errorf("%s: the reference: %v", what, err)
			}
		}
		check(body, true, "as signed")
		check(append([]byte("x"), body...), false, "longer body")
		h.Set(webhook.HeaderID, id+"x")
		check(body, false, "other id")
	})
}

// The cases of the reference library's own tests, on which both must agree.
func TestOracleCases(t *testing.T) {
	theirs, err := oracle.NewWebhook(vectorSecret)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := webhook.NewVerifier([]string{vectorSecret})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(vectorBody)
	const slack = 10 * time.Second
	for _, tc := range []struct {
		name   string
		at     time.Duration
		change func(http.Header)
		ok     bool
	}{
		{name: "valid", ok: true},
		{name: "missing id", change: func(h http.Header) { h.Del("webhook-id") }},
		{name: "missing timestamp", change: func(h http.Header) { h.Del("webhook-timestamp") }},
		{name: "missing signature", change: func(h http.Header) { h.Del("webhook-signature") }},
		{name: "invalid timestamp", change: func(h http.Header) { h.Set("webhook-timestamp", "hello") }},
		{name: "invalid signature", change: func(h http.Header) { h.Set("webhook-signature", wrongSignature) }},
		{name: "invalid prefix", change: func(h http.Header) {
			h.Set("webhook-signature", "invalid,"+h.Get("webhook-signature")[3:])
		}},
		{name: "partial signature", change: func(h http.Header) { h.Set("webhook-signature", "v1,") }},
		{name: "cut signature", change: func(h http.Header) {
			h.Set("webhook-signature", h.Get("webhook-signature")[:10])
		}},
		{name: "old but tolerable", at: -5*time.Minute + slack, ok: true},
		{name: "too old", at: -5*time.Minute - slack},
		{name: "new but tolerable", at: 5*time.Minute - slack, ok: true},
		{name: "too new", at: 5*time.Minute + slack},
		{name: "valid among several", ok: true, change: func(h http.Header) {
			h.Set("webhook-signature", strings.Join([]string{
				wrongSignature, strings.Replace(wrongSignature, "v1", "v2", 1), h.Get("webhook-signature"), wrongSignature,
			}, " "))
		}},
	} {
		h := sign(t, mustSigner(t, vectorSecret), vectorID, time.Now().Add(tc.at), body)
		if tc.change != nil {
			tc.change(h)
		}
		if err := ours.Verify(h, body); (err == nil) != tc.ok {
			t.Errorf("%s: Verify: %v", tc.name, err)
		}
		if err := theirs.Verify(body, h); (err == nil) != tc.ok {
			t.Errorf("%s: the reference: %v", tc.name, err)
		}
	}
}

// A secret without whsec_ is itself the key here, which the reference library calls a raw secret.
func TestOracleRawSecret(t *testing.T) {
	theirs, err := oracle.NewWebhookRaw([]byte(hubSecret))
	if err != nil {
		t.Fatal(err)
	}
	h := sign(t, mustSigner(t, hubSecret), vectorID, time.Now(), []byte(vectorBody))
	if err := theirs.Verify([]byte(vectorBody), h); err != nil {
		t.Error(err)
	}
}
