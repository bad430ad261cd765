//go:build race

package seeded

// The race detector takes ten times as long. It looks for races, not for rare seeds: `make test`
// also plays all seeds without it.
const (
	seeds    = 150
	replayed = 50
)
