//go:build race

package powerloss

// The race detector takes ten times as long.
const (
	crashes  = 60 // in TestPowerLoss
	perLife  = 20 // in each life of a history
	perFault = 25 // in each life of a history on a faulty machine
	replayed = 1  // seeds that TestSeedsReplay plays twice
)
