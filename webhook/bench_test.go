package webhook_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/hookferry/hookferry/webhook"
)

func BenchmarkSignHeader(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1024)
	for name, secrets := range map[string][]string{
		"one-secret":  {vectorSecret},
		"two-secrets": {vectorSecret, hubSecret},
	} {
		b.Run(name, func(b *testing.B) {
			s, h := mustSigner(b, secrets...), http.Header{}
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := s.SignHeader(h, vectorID, vectorTime(), body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSignHeaderParallel(b *testing.B) {
	s, body := mustSigner(b, vectorSecret), bytes.Repeat([]byte("x"), 1024)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		h := http.Header{}
		for pb.Next() {
			if err := s.SignHeader(h, vectorID, vectorTime(), body); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1024)
	v := mustVerifier(b, []string{vectorSecret})
	h := sign(b, mustSigner(b, vectorSecret), vectorID, vectorTime(), body)
	hub := hubHeader(h.Get(webhook.HeaderHubSignature))
	for name, h := range map[string]http.Header{"standard": h, "hub": hub} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := v.Verify(h, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
