//go:build !race

package seeded

const (
	seeds    = 3000 // that TestSeeds plays
	replayed = 300  // that TestSeedsReplay plays twice
)
