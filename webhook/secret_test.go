package webhook_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/webhook"
)

func TestNewSecret(t *testing.T) {
	first, second := webhook.NewSecret(), webhook.NewSecret()
	if first == second {
		t.Error("two fresh secrets are equal")
	}
	encoded, ok := strings.CutPrefix(first, "whsec_")
	if !ok {
		t.Fatal("a fresh secret must start with whsec_")
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != 32 {
		t.Errorf("a fresh secret holds %d bytes (%v), want 32 in padded standard base64", len(raw), err)
	}
	mustSigner(t, first)
}

func TestSecretsRefused(t *testing.T) {
	for _, tc := range []struct {
		secrets []string
		want    error
		reason  string
	}{
		{nil, webhook.ErrNoSecret, "signing without a key is never meant"},
		{[]string{""}, webhook.ErrNoSecret, "an unset variable must not become an empty key"},
		{[]string{"new", ""}, webhook.ErrNoSecret, "an empty second secret would accept anybody's signature"},
		{[]string{"whsec_"}, webhook.ErrBadSecret, "decodes to an empty key"},
		{[]string{"whsec_===="}, webhook.ErrBadSecret, "only padding is not base64"},
		{[]string{"whsec_A"}, webhook.ErrBadSecret, "one base64 digit is less than a byte"},
		{[]string{"whsec_YQ="}, webhook.ErrBadSecret, "incomplete padding is a sign of a truncated secret"},
		{[]string{"whsec_YWI-_w=="}, webhook.ErrBadSecret, "the URL alphabet is not the standard one"},
		{[]string{"whsec_YWJj\n"}, webhook.ErrBadSecret, "a line end from a file would be part of the X-Hub-Signature-256 key"},
		{[]string{"whsec_ YWJj"}, webhook.ErrBadSecret, "a space is not base64"},
		{make([]string, 33), webhook.ErrBadSecret, "a Verifier would not read the 33rd entry"},
	} {
		_, signErr := webhook.NewSigner(tc.secrets...)
		_, verifyErr := webhook.NewVerifier(tc.secrets)
		if !errors.Is(signErr, tc.want) || !errors.Is(verifyErr, tc.want) {
			t.Errorf("%q: got %v and %v, want %v: %s", tc.secrets, signErr, verifyErr, tc.want, tc.reason)
		}
		for _, secret := range tc.secrets {
			// The bare prefix is part of the advice, not a secret.
			if len(secret) > len("whsec_") && strings.Contains(signErr.Error(), secret) {
				t.Errorf("the error shows the secret: %v", signErr)
			}
		}
	}
}

func TestSecretForms(t *testing.T) {
	padded, unpadded, raw := "whsec_c2VjcmV0IQ==", "whsec_c2VjcmV0IQ", "secret!"
	for _, other := range []string{unpadded, raw} {
		h := sign(t, mustSigner(t, other), vectorID, vectorTime(), []byte(vectorBody))
		if err := mustVerifier(t, []string{padded}).Verify(h, []byte(vectorBody)); err != nil {
			t.Errorf("a padded and another form of one key must agree for Standard Webhooks: %v", err)
		}
		h = hubHeader(h.Get(webhook.HeaderHubSignature))
		if err := mustVerifier(t, []string{padded}).Verify(h, []byte(vectorBody)); !errors.Is(err, webhook.ErrBadSignature) {
			t.Errorf("X-Hub-Signature-256 must use the text, so other texts must not match: %v", err)
		}
	}
	// Only the prefix causes decoding: base64 without it is plain text.
	h := sign(t, mustSigner(t, strings.TrimPrefix(vectorSecret, "whsec_")), vectorID, vectorTime(), []byte(vectorBody))
	if h.Get(webhook.HeaderSignature) == vectorSignature {
		t.Error("a secret without whsec_ was decoded")
	}
}

func TestFormattingHidesSecrets(t *testing.T) {
	s, v := mustSigner(t, hubSecret), mustVerifier(t, []string{hubSecret})
	sign(t, s, vectorID, vectorTime(), nil)
	for _, format := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(format+format, s, v); strings.Contains(text, hubSecret) {
			t.Errorf("%s shows the secret", format)
		}
	}
}
