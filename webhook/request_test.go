package webhook_test

import (
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hookferry/hookferry/webhook"
)

func vectorRequest(body io.Reader) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header = vectorHeader()
	return r
}

func TestVerifyRequest(t *testing.T) {
	chunked := func(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) } // hides the length
	for _, tc := range []struct {
		body   io.Reader
		limit  int64
		want   error
		reason string
	}{
		{strings.NewReader(vectorBody), 20, nil, "exactly at the limit"},
		{chunked(vectorBody), 20, nil, "exactly at the limit, length not announced"},
		{strings.NewReader(vectorBody), math.MaxInt64, nil, "no overflow at the largest limit"},
		{strings.NewReader(vectorBody), 19, webhook.ErrBodyTooLarge, "announced too large"},
		{chunked(vectorBody), 19, webhook.ErrBodyTooLarge, "found too large while reading"},
		{strings.NewReader(vectorBody), 0, webhook.ErrBodyTooLarge, "a forgotten limit must not mean none"},
		{strings.NewReader(vectorBody + " "), 100, webhook.ErrBadSignature, "one byte more than was signed"},
		{nil, 100, webhook.ErrBadSignature, "no body"},
		{iotest.ErrReader(io.ErrUnexpectedEOF), 100, io.ErrUnexpectedEOF, "the connection broke"},
	} {
		body, err := mustVerifier(t, []string{vectorSecret}).VerifyRequest(vectorRequest(tc.body), tc.limit)
		if !errors.Is(err, tc.want) {
			t.Errorf("got %v, want %v: %s", err, tc.want, tc.reason)
		}
		if err == nil && string(body) != vectorBody {
			t.Errorf("got body %q: %s", body, tc.reason)
		}
		if err != nil && body != nil {
			t.Errorf("an error came with body %q: %s", body, tc.reason)
		}
	}
}

func TestVerifyRequestReadsNothingUnsigned(t *testing.T) {
	r := vectorRequest(iotest.ErrReader(errors.New("the body was read")))
	r.Header = http.Header{}
	_, err := mustVerifier(t, []string{vectorSecret}).VerifyRequest(r, 100)
	if !errors.Is(err, webhook.ErrNoSignature) {
		t.Errorf("got %v, want ErrNoSignature before any reading", err)
	}
}

func TestVerifyRequestWithoutBody(t *testing.T) {
	r := &http.Request{Header: sign(t, mustSigner(t, vectorSecret), vectorID, vectorTime(), nil)}
	body, err := mustVerifier(t, []string{vectorSecret}).VerifyRequest(r, 100)
	if err != nil || len(body) != 0 {
		t.Errorf("got %q, %v; want an empty body that verifies", body, err)
	}
}
