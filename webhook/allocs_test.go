//go:build !race

// Under the race detector, sync.Pool drops items at random, so allocations can't be counted.

package webhook_test

import (
	"bytes"
	"net/http"
	"testing"
)

// Two allocations: the string and the slice that back all four headers. The
// number of secrets and the size of the body must not matter.
func TestSignHeaderAllocs(t *testing.T) {
	for _, secrets := range [][]string{{vectorSecret}, {vectorSecret, hubSecret, "oldest"}} {
		s, h := mustSigner(t, secrets...), http.Header{}
		body := bytes.Repeat([]byte("x"), 64<<10)
		got := testing.AllocsPerRun(200, func() {
			if err := s.SignHeader(h, vectorID, vectorTime(), body); err != nil {
				t.Fatal(err)
			}
		})
		if got != 2 {
			t.Errorf("%d secrets: %v allocations, want 2", len(secrets), got)
		}
	}
}
