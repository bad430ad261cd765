package webhook_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/webhook"
)

func TestVerifyHub(t *testing.T) {
	digits := strings.TrimPrefix(hubSignature, "sha256=")
	for _, tc := range []struct {
		header http.Header
		want   error
		reason string
	}{
		{hubHeader(hubSignature), nil, "GitHub's published vector"},
		{hubHeader("sha256=" + strings.ToUpper(digits)), nil, "some senders write capital hex"},
		{http.Header{}, webhook.ErrNoSignature, "nothing is signed"},
		{hubHeader(""), webhook.ErrMissingHeader, "empty counts as missing"},
		{hubHeader("sha256="), webhook.ErrMalformedHeader, "no signature"},
		{hubHeader(digits), webhook.ErrMalformedHeader, "the prefix is needed"},
		{hubHeader("SHA256=" + digits), webhook.ErrMalformedHeader, "GitHub writes the prefix in lower case"},
		{hubHeader("sha1=" + digits[:40]), webhook.ErrMalformedHeader, "SHA-1 is not supported"},
		{hubHeader(hubSignature[:69]), webhook.ErrMalformedHeader, "part of a signature is not a signature"},
		{hubHeader(hubSignature + "00"), webhook.ErrMalformedHeader, "too long"},
		{hubHeader(hubSignature[:70] + "g"), webhook.ErrMalformedHeader, "not hex"},
		{hubHeader(hubSignature[:70] + "8"), webhook.ErrBadSignature, "the last digit counts"},
		{hubHeader(hubSignature + strings.Repeat("0", 4096)), webhook.ErrMalformedHeader, "too long"},
		{http.Header{webhook.HeaderHubSignature: {hubSignature, hubSignature}}, webhook.ErrMalformedHeader, "two headers could be read two ways"},
		{http.Header{webhook.HeaderHubSignature: {hubSignature}, webhook.HeaderID: {vectorID}}, webhook.ErrMissingHeader, "with any Standard Webhooks header, only those headers count"},
	} {
		err := mustVerifier(t, []string{hubSecret}).Verify(tc.header, []byte(hubBody))
		if !errors.Is(err, tc.want) {
			t.Errorf("got %v, want %v: %s", err, tc.want, tc.reason)
		}
		if err != nil && (strings.Contains(err.Error(), digits) || strings.Contains(err.Error(), hubSecret)) {
			t.Errorf("the error shows too much: %v", err)
		}
	}
	if err := mustVerifier(t, []string{"new", hubSecret}).Verify(hubHeader(hubSignature), []byte(hubBody)); err != nil {
		t.Errorf("an old secret must still be accepted: %v", err)
	}
}

// Without StandardOnly, anyone who recorded a request could replay it like this.
func TestStandardOnly(t *testing.T) {
	body := []byte(vectorBody)
	h := sign(t, mustSigner(t, vectorSecret), vectorID, vectorTime(), body)
	strict := mustVerifier(t, []string{vectorSecret}, webhook.StandardOnly())
	if err := strict.Verify(h, body); err != nil {
		t.Errorf("both signatures are there: %v", err)
	}
	replay := hubHeader(h.Get(webhook.HeaderHubSignature))
	if err := strict.Verify(replay, body); !errors.Is(err, webhook.ErrNoSignature) {
		t.Errorf("got %v, want ErrNoSignature", err)
	}
	if err := mustVerifier(t, []string{vectorSecret}).Verify(replay, body); err != nil {
		t.Errorf("the default accepts X-Hub-Signature-256 alone: %v", err)
	}
}

// A signature of one kind must not be valid as the other. A whsec_ secret ensures that, because it
// gives the two kinds different keys.
func TestSignaturesAreNotInterchangeable(t *testing.T) {
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(vectorSignature, "v1,"))
	if err != nil {
		t.Fatal(err)
	}
	signed := []byte(vectorID + "." + vectorTimestamp + "." + vectorBody)
	asHub := hubHeader("sha256=" + hex.EncodeToString(sum))
	err = mustVerifier(t, []string{vectorSecret}).Verify(asHub, signed)
	if !errors.Is(err, webhook.ErrBadSignature) {
		t.Errorf("got %v, want ErrBadSignature", err)
	}
}
