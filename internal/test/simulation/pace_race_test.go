//go:build race

package simulation

import "time"

// The race detector makes each access to the store ten times slower, so the day is shorter, and the
// crash test uses only every other step.
const (
	hour   = 5 * time.Minute
	stride = 2
)
