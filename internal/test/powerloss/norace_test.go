//go:build !race

package powerloss

const (
	crashes  = 3000 // in TestPowerLoss
	perLife  = 100  // in each life of a history
	perFault = 60   // in each life of a history on a faulty machine
	replayed = 4    // seeds that TestSeedsReplay plays twice
)
