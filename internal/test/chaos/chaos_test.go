package chaos

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestWithoutRedis(t *testing.T) {
	play(t, false, killAPI, killWorker, killPostgres, stopWorker, replaceAll, restartAll, losePostgres, hangPostgres)
}

func TestWithRedis(t *testing.T) {
	play(t, true, killAPI, killWorker, killPostgres, stopWorker, replaceAll, restartAll, losePostgres, hangPostgres)
}

func TestRedisItself(t *testing.T) {
	play(t, true, flushRedis, killRedis, freezeRedis, fillRedis)
}

// TestSessions ends or blocks the service's sessions, while PostgreSQL itself keeps running.
func TestSessions(t *testing.T) {
	play(t, false, cutSessions, takeSessions, lockTable)
}

func TestSessionsWithRedis(t *testing.T) {
	play(t, true, cutSessions, takeSessions, lockTable)
}

// TestAllAtOnce kills the database, a worker, an API node and Redis at the same moment.
func TestAllAtOnce(t *testing.T) {
	play(t, true, atOnce(killPostgres, killRedis, atOnce(killWorker, killAPI)))
}

// play causes all faults, one after the other, again and again. In a long run, it also causes two
// at the same time. At the end, it stops the nodes normally, and checks that they leave nothing
// leased.
func play(t *testing.T, redis bool, faults ...fault) {
	t.Helper()
	t.Parallel()
	n, long := rounds(t)
	c := newCluster(t, options{apis: 2, workers: 3, redis: redis, own: true, settings: []string{schedule}})
	for round := range n {
		if long {
			t.Logf("round %d of %d", round+1, n)
		}
		for _, f := range turn(faults, long) {
			if c.endure(f, volumeOf(long)); t.Failed() {
				return // later findings would say nothing new
			}
		}
	}
	for _, node := range append(c.nodes("api"), c.nodes("worker")...) {
		node.drain(t)
	}
	if leased := c.leased(); leased != "" {
		t.Errorf("all nodes have stopped, and leased is %s", leased)
	}
}

// turn returns the faults of one round: in a quick run of the tests, the first one alone.
func turn(faults []fault, long bool) (list []fault) {
	for _, f := range faults {
		if long || !f.long {
			list = append(list, f)
		}
	}
	if testing.Short() {
		return list[:1]
	}
	if two := twoOf(faults); long && len(two) == 2 {
		list = append(list, atOnce(two...))
	}
	return list
}

// twoOf picks two faults that may happen at once: a restart can't start nodes while the database is
// unavailable.
func twoOf(faults []fault) (two []fault) {
	for _, i := range rand.Perm(len(faults)) {
		if f := faults[i]; !f.graceful && !f.long && len(two) < 2 {
			two = append(two, f)
		}
	}
	return two
}

// endure publishes, causes a fault in the meantime, and compares the results.
func (c *cluster) endure(f fault, v volume) {
	c.t.Helper()
	l := c.begin(v)
	l.more()
	before, start := c.ledger(), time.Now()
	f.strike(c)
	struck := time.Since(start)
	l.more()
	l.end()
	end := time.Now()
	l.settle()
	settled := time.Since(end)
	sum, after := l.balance(), c.ledger()
	l.forget()
	ranOut, returned := after.ranOut-before.ranOut, after.returned-before.returned
	c.t.Logf("%s: %.1fs; %d events acknowledged (%s), %d stored; %d requests; all settled %.1fs after the last; %d leases ran out, %d were given back by the API; %d duplicates, %d of them on record",
		f.name, struck.Seconds(), sum.acknowledged, l.refusals(), sum.stored, sum.requests, settled.Seconds(), ranOut, returned, sum.duplicates, sum.twice)
	graceful := f.graceful && after.silences == before.silences
	switch {
	case graceful && sum.duplicates > 0:
		c.t.Errorf("%s: there are duplicates, but this fault must cause none", f.name)
	case graceful && ranOut > 0:
		c.t.Errorf("%s: a node that has stopped has left something leased", f.name)
	case sum.duplicates > ranOut+returned:
		c.t.Errorf("%s: there are more duplicates than leases that ended early", f.name)
	}
}

// ledger contains what the nodes say about themselves.
type ledger struct {
	ranOut   int // leases that were taken over
	returned int // leases that the API nodes released
	silences int
}

func (c *cluster) ledger() ledger {
	c.t.Helper()
	return ledger{c.sum((*journal).takenOver), c.returned(), c.sum((*journal).silences)}
}
