//go:build race

package powerloss

// The race detector takes ten times as long.
const (
	crashes  = 60 // that TestPowerLoss looks at
	perLife  = 20 // of them in each life of a history
	perFault = 25 // in each life of one on a faulty machine
	replayed = 1  // seeds that TestSeedsReplay plays twice
)
