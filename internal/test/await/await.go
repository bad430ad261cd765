// Package await is for tests only: it waits for what happens concurrently, by looking
// again and again, so that no test guesses how long something takes.
package await

import (
	"testing"
	"time"
)

// Patience is how long a test waits for what must come: a safety net, not a condition.
// A test that passes does not wait for it.
const Patience = 2 * time.Minute

// NoError tries until there is no error. The test fails with the last one where that
// never comes.
func NoError(t testing.TB, try func() error) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v still: %v", Patience, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
