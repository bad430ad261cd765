package powerloss

// coverage counts how often a load reached certain states.
type coverage struct {
	restarts int // the log began again from its start
	beside   int // the database was written while writes to the log were not synced
	large    int // a commit was larger than the write buffer
}

func (c coverage) plus(other coverage) coverage {
	return coverage{c.restarts + other.restarts, c.beside + other.beside, c.large + other.large}
}

// add counts what the steps of a life reached. All writes are to the database, its log, or a
// journal.
func (c *coverage) add(steps []step) {
	started := map[int]bool{} // logs with a header, by inode
	unsynced := map[int]int{} // writes since the last sync, by inode
	isLog := map[int]bool{}   // by inode
	for _, s := range steps {
		switch s.kind {
		case synced:
			unsynced[s.inode] = 0
		case wrote:
			if s.offset == 0 && len(s.bytes) == logHeader {
				if started[s.inode] {
					c.restarts++
				}
				started[s.inode], isLog[s.inode] = true, true
			}
			if unsynced[s.inode]++; isLog[s.inode] && unsynced[s.inode] == 2 {
				c.large++
			}
			if !isLog[s.inode] && anyPending(isLog, unsynced) {
				c.beside++
			}
		}
	}
}

// logHeader is the size of a log's header, which is written separately.
const logHeader = 32

func anyPending(of map[int]bool, unsynced map[int]int) bool {
	for inode := range of {
		if unsynced[inode] > 0 {
			return true
		}
	}
	return false
}
