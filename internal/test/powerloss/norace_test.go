//go:build !race

package powerloss

const (
	crashes  = 3000 // that TestPowerLoss looks at
	perLife  = 100  // of them in each life of a history
	perFault = 60   // in each life of one on a faulty machine
	replayed = 4    // seeds that TestSeedsReplay plays twice
)
