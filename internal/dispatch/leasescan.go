package dispatch

import "time"

const (
	// leaseSlack is how far before the end of the last scan for expired leases the next one
	// begins. It covers leases whose rows were locked during the last scan.
	leaseSlack = 5 * time.Second

	// allLeasesShare bounds what scans of all leases cost: after one that took a second, so many
	// seconds pass, but at most allLeasesMost. A lease may come late and be expired already, if its
	// node was frozen; then only a scan of all leases finds it.
	allLeasesShare = 50
	allLeasesMost  = 12 * time.Second
)

// leaseScan says which leases the next Rescue has to look at: all of them, or those that expired
// since the last scan if a scan of all takes long. On PostgreSQL a scan also passes over the index
// entries of settled deliveries. While another session holds an old snapshot, vacuum can't remove
// those entries, and after minutes of load there are millions.
type leaseScan struct {
	upTo  time.Time // the last scan covered leases that expired before; zero: there was none
	allAt time.Time // when the next scan of all leases is due
}

// from returns the time from which on leases have to be looked at; zero means all of them.
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

// done notes how a scan ended. One of all leases that failed may have been too slow.
func (l *leaseScan) done(from, now, ended time.Time, err error) {
	if from.IsZero() {
		l.allAt = ended.Add(min(allLeasesShare*ended.Sub(now), allLeasesMost))
	}
	if err == nil {
		l.upTo = now.Round(0) // leases end by the wall clock
	}
}
