// Package await helps tests wait for concurrent events by checking repeatedly, so that no test
// guesses how long something takes.
package await

import (
	"testing"
	"time"
)

// Patience is how long a test waits for something that must happen. It is a safety net: a test that
// passes does not wait that long.
const Patience = 2 * time.Minute

// NoError calls try until it succeeds. If it never does, the test fails with its last error.
func NoError(t testing.TB, try func() error) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still failing after %v: %v", Patience, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
