//go:build !race

package seeded

const (
	seeds    = 6000 // that TestSeeds plays
	replayed = 500  // that TestSeedsReplay plays twice
)
