//go:build !race

package seeded

const (
	seeds    = 6000 // in TestSeeds
	replayed = 500  // in TestSeedsReplay
)
