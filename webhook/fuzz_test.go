package webhook_test

import (
	"net/http"
	"strings"
	"testing"

	oracle "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/hookferry/hookferry/webhook"
)

// FuzzVerifyStandard: the reference library accepts everything that Verify accepts, and no error
// contains the correct signature.
func FuzzVerifyStandard(f *testing.F) {
	for _, signature := range []string{
		vectorSignature,
		wrongSignature,
		wrongSignature + " v1a,abc " + vectorSignature,
		" " + vectorSignature + " ",
		vectorSignature + ",",
		"v1," + vectorSignature,
		"v1,", "v1", ",", " ", "",
		strings.Repeat("v2,x ", 40) + vectorSignature,
		strings.Repeat(" ", 5000),
	} {
		f.Add(vectorID, vectorTimestamp, signature, []byte(vectorBody))
	}
	f.Add("a.b", vectorTimestamp, vectorSignature, []byte(vectorBody))
	f.Add(vectorID, "+1614265330", vectorSignature, []byte(vectorBody))
	f.Add(vectorID, "01614265330", vectorSignature, []byte(vectorBody))
	f.Add(vectorID, "999999999999999", vectorSignature, []byte{})
	f.Add("", "", "", []byte{})

	verifier, signer := mustVerifier(f, []string{vectorSecret}), mustSigner(f, vectorSecret)
	theirs, err := oracle.NewWebhook(vectorSecret)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id, timestamp, signature string, body []byte) {
		h := http.Header{}
		h.Set(webhook.HeaderID, id)
		h.Set(webhook.HeaderTimestamp, timestamp)
		h.Set(webhook.HeaderSignature, signature)
		err := verifier.Verify(h, body)
		if err == nil {
			if err := theirs.VerifyIgnoringTimestamp(body, h); err != nil {
				t.Fatalf("accepted what the reference refuses: %v", err)
			}
			return
		}
		// Insert the correct signature where possible, because a fuzzer can't find it by itself.
		if signer.SignHeader(h, id, vectorTime(), body) != nil {
			return
		}
		if err := verifier.Verify(h, body); err != nil {
			t.Fatalf("refused its own signature: %v", err)
		}
		if strings.Contains(err.Error(), h.Get(webhook.HeaderSignature)[3:]) {
			t.Fatalf("the error shows the right signature: %v", err)
		}
	})
}

// FuzzVerifyHub: Verify accepts only the correct text, in either case.
func FuzzVerifyHub(f *testing.F) {
	for _, signature := range []string{
		hubSignature,
		"sha256=" + strings.ToUpper(hubSignature[7:]),
		"SHA256=" + hubSignature[7:],
		"sha1=0123456789abcdef0123456789abcdef01234567",
		"sha256=", "sha256", "=", "",
		hubSignature[:70], hubSignature + "0", hubSignature + " ",
		strings.Repeat("0", 5000),
	} {
		f.Add(signature, []byte(hubBody))
	}
	verifier, signer := mustVerifier(f, []string{hubSecret}), mustSigner(f, hubSecret)
	f.Fuzz(func(t *testing.T, signature string, body []byte) {
		right := sign(t, signer, vectorID, vectorTime(), body).Get(webhook.HeaderHubSignature)
		digits, prefixed := strings.CutPrefix(signature, "sha256=")
		want := prefixed && len(signature) == len(right) && strings.ToLower(digits) == right[7:]

		err := verifier.Verify(hubHeader(signature), body)
		if (err == nil) != want {
			t.Fatalf("%q: got %v, want acceptance %t", signature, err, want)
		}
		if err != nil && strings.Contains(err.Error(), right[7:]) {
			t.Fatalf("the error shows the right signature: %v", err)
		}
		if err := verifier.Verify(hubHeader(right), body); err != nil {
			t.Fatalf("refused its own signature: %v", err)
		}
	})
}
