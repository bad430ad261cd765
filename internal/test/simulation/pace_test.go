//go:build !race

package simulation

import "time"

const (
	hour   = time.Hour // a twenty-fourth of the day in TestDay
	stride = 1         // TestCrashAtEveryStep kills at every step
)
