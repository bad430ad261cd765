package webhook_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/hookferry/hookferry/webhook"
)

// A complete endpoint, and a sender to try it with.
func ExampleVerifier() {
	secret := webhook.NewSecret() // sender and receiver share it

	verifier, err := webhook.NewVerifier([]string{secret}, webhook.StandardOnly())
	if err != nil {
		panic(err)
	}
	receiver := func(w http.ResponseWriter, r *http.Request) {
		body, err := verifier.VerifyRequest(r, 1<<20) // at most 1 MiB
		if err != nil {
			http.Error(w, "not accepted", http.StatusUnauthorized)
			return
		}
		fmt.Printf("event %s: %s\n", r.Header.Get(webhook.HeaderID), body)
	}

	server := httptest.NewServer(http.HandlerFunc(receiver))
	defer server.Close()
	signer, err := webhook.NewSigner(secret)
	if err != nil {
		panic(err)
	}
	for _, sent := range []string{`{"paid":true}`, `{"paid":false}`} {
		req, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(sent))
		if err != nil {
			panic(err)
		}
		// Only the first body is what was signed.
		if err := signer.SignHeader(req.Header, "evt_1", time.Now(), []byte(`{"paid":true}`)); err != nil {
			panic(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			panic(err)
		}
		resp.Body.Close()
		fmt.Println(resp.Status)
	}
	// Output:
	// event evt_1: {"paid":true}
	// 200 OK
	// 401 Unauthorized
}

func ExampleSigner_SignHeader() {
	signer, err := webhook.NewSigner("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		panic(err)
	}
	h := http.Header{}
	attempt := time.Unix(1614265330, 0) // use time.Now() for a real attempt
	if err := signer.SignHeader(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", attempt, []byte(`{"test": 2432232314}`)); err != nil {
		panic(err)
	}
	fmt.Println(h.Get(webhook.HeaderSignature))
	// Output:
	// v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=
}
