package webhook_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/hookferry/hookferry/webhook"
)

// The vector published with the Standard Webhooks libraries.
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorUnix      = 1614265330
	vectorTimestamp = "1614265330"
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

	wrongSignature = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
)

// The vector published in GitHub's documentation.
const (
	hubSecret    = "It's a Secret to Everybody"
	hubBody      = "Hello, World!"
	hubSignature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
)

func vectorTime() time.Time { return time.Unix(vectorUnix, 0) }

func vectorHeader() http.Header {
	h := http.Header{}
	h.Set("webhook-id", vectorID)
	h.Set("webhook-timestamp", vectorTimestamp)
	h.Set("webhook-signature", vectorSignature)
	return h
}

func hubHeader(signature string) http.Header {
	h := http.Header{}
	h.Set("x-hub-signature-256", signature)
	return h
}

func mustSigner(t testing.TB, secrets ...string) *webhook.Signer {
	t.Helper()
	s, err := webhook.NewSigner(secrets...)
	if err != nil {
		t.Fatalf("NewSigner: %v", err)
	}
	return s
}

// mustVerifier returns a Verifier whose clock shows the time of the vector.
func mustVerifier(t testing.TB, secrets []string, opts ...webhook.Option) *webhook.Verifier {
	t.Helper()
	opts = append([]webhook.Option{webhook.WithClock(vectorTime)}, opts...)
	v, err := webhook.NewVerifier(secrets, opts...)
	if err != nil {
		t.Fatalf("NewVerifier: %v", err)
	}
	return v
}

func sign(t testing.TB, s *webhook.Signer, id string, at time.Time, body []byte) http.Header {
	t.Helper()
	h := http.Header{}
	if err := s.SignHeader(h, id, at, body); err != nil {
		t.Fatalf("SignHeader(%q): %v", id, err)
	}
	return h
}
