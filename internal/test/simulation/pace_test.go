//go:build !race

package simulation

import "time"

const (
	hour   = time.Hour // a twenty-fourth of the day that TestDay plays
	stride = 1         // TestCrashAtEveryStep kills at every step
)
