//go:build race

package simulation

import "time"

// Under the race detector, where each look into the store takes ten times as long,
// the day is shorter and every other step must do.
const (
	hour   = 5 * time.Minute
	stride = 2
)
