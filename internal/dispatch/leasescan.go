package dispatch

import "time"

const (
	// leaseSlack is how far before the end of the last scan for expired leases the next one
	// begins. It covers leases whose rows were locked during the last scan.
	leaseSlack = 5 * time.Second

	// fullScanFactor bounds the cost of scans of all leases: the pause after such a scan is
	// fullScanFactor times as long as the scan took, up to maxFullScanPause. Only a scan of all
	// leases finds a lease that a frozen node has stored late, when it had already run out.
	fullScanFactor   = 50
	maxFullScanPause = 12 * time.Second
)

// leaseScan decides which leases the next Rescue searches: all of them, or if that takes long, only
// those that ran out since the last scan. On PostgreSQL, a scan also passes over the index entries
// of settled deliveries. While another session holds an old snapshot, vacuum can't remove those
// entries, and after minutes of load there are millions.
type leaseScan struct {
	upTo  time.Time // the last scan covered leases that ran out before; zero: there was none
	allAt time.Time // when the next scan of all leases is due
}

// from returns from which time on leases may have run out unnoticed; zero means any time.
func (l *leaseScan) from(now time.Time) time.Time {
	if l.upTo.IsZero() || !now.Before(l.allAt) {
		return time.Time{}
	}
	wall := now.Round(0)
	if wall.Before(l.upTo) { // the clock was set back
		return wall.Add(-leaseSlack)
	}
	return l.upTo.Add(-leaseSlack)
}

// done records how a scan ended. A failed scan of all leases delays the next one, too, because it may
// have been too slow.
func (l *leaseScan) done(from, now, ended time.Time, err error) {
	if from.IsZero() {
		l.allAt = ended.Add(min(fullScanFactor*ended.Sub(now), maxFullScanPause))
	}
	if err == nil {
		l.upTo = now.Round(0) // leases end by the wall clock
	}
}
