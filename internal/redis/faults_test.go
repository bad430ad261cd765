package redis

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/redistest"
)

// trial is an API node and a worker, with a Redis that the test may stop or break.
type trial struct {
	*sender
	redis  *redistest.Server
	far    *node
	worker *worker
}

func newTrial(t *testing.T, settings ...string) *trial {
	t.Helper()
	server := own(t, settings...)
	l := newLedger()
	x := &trial{redis: server, sender: newSender(t, up(t, server.URL()), l), far: up(t, server.URL()), worker: newWorker(l)}
	x.sender.run(t)
	receive(t, x.far, x.worker)
	x.wantPassed(t, 20)
	return x
}

// wantPassed passes deliveries on and waits until that many have reached the worker.
func (x *trial) wantPassed(t *testing.T, many int64) {
	t.Helper()
	many += x.worker.took.Load()
	await.NoError(t, func() error {
		x.deliver(theSub, 100)
		if n := x.worker.took.Load(); n < many {
			return fmt.Errorf("%d have reached the worker, not %d; the failures are %v and %v", n, many, x.Failure(), x.far.Failure())
		}
		return nil
	})
}

// wantSettled waits until each delivery that was passed on has been offered or released, except for
// those that were in Redis when it lost its data. Those are recovered by their leases.
func (x *trial) wantSettled(t *testing.T, mayBeLost int) {
	t.Helper()
	x.wantIdle(t)
	x.wantEmpty(t)
	await.NoError(t, func() error {
		if a := x.ledger.account(); a.lost > mayBeLost {
			return fmt.Errorf("%d were neither offered nor released: %+v", a.lost, a)
		}
		return nil
	})
	a := x.ledger.account()
	if a.twice != 0 || len(x.ledger.strange) != 0 {
		t.Errorf("%+v, and %d that were never passed on", a, len(x.ledger.strange))
	}
	t.Logf("%+v", a)
	x.wantPassed(t, 20)
	x.wantIdle(t)
	x.wantEmpty(t)
	await.NoError(t, func() error {
		n, now := x.inStream(), x.ledger.account()
		if n != 0 || now.lost > a.lost {
			return fmt.Errorf("the node counts %d entries in the stream: %+v", n, now)
		}
		return nil
	})
}

func TestRedisAwayAtTheStart(t *testing.T) {
	t.Parallel()
	server := own(t)
	server.Kill()
	l := newLedger()
	near, far := connect(t, server.URL()), connect(t, server.URL())
	s := newSender(t, near, l)
	s.run(t)
	receive(t, far, newWorker(l))
	h := &heard{}
	listenTo(t, far, h)
	await.NoError(t, func() error { return loggedOnce(near, "Redis can't be used") })
	if s.deliver(theSub, 10) {
		t.Error("there was capacity without Redis")
	}
	near.Changed(theSub) // is dropped, and does not hang
	if wait := near.Take(t.Context(), theSub, time.Hour); wait != 0 {
		t.Errorf("without Redis, the rate limit delays for %v", wait)
	}
	pause(t.Context(), 3*pingEvery)
	if err := loggedOnce(near, "Redis can't be used"); err != nil {
		t.Error(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	near.wantUp(t, true)
	h.wantZero(t)
	for range 20 {
		s.mustDeliver(t, theSub, 10)
	}
	l.wantKnown(t)
	s.wantEmpty(t)
	if near.log.count("Redis is up") == 0 {
		t.Errorf("the log says:\n%s", near.log)
	}
}

func loggedOnce(n *node, words string) error {
	if many := n.log.count(words); many != 1 {
		return fmt.Errorf("%q is in the log %d times:\n%s", words, many, n.log)
	}
	return nil
}

// Redis is killed under load and comes back without data. The deliveries in it are recovered by
// their leases, the group of workers is created again, and deliveries continue.
func TestRedisKilledAndRestarted(t *testing.T) {
	t.Parallel()
	x := newTrial(t)
	end := x.storm(t, theSub)
	for range 2 {
		x.wantPassed(t, 500)
		x.redis.Kill()
		x.wantUp(t, false)
		if x.deliver(theSub, 10) {
			t.Error("there was capacity without Redis")
		}
		if err := x.redis.Start(); err != nil {
			t.Fatal(err)
		}
		x.wantUp(t, true)
		x.far.wantUp(t, true)
		x.wantPassed(t, 500)
	}
	end()
	x.wantSettled(t, 2*maxInTransit)
	if n := x.log.count("Redis can't be used"); n < 2 {
		t.Errorf("that Redis is down is logged %d times, want at least 2:\n%s", n, x.log)
	}
}

func TestFlushAllWhileInUse(t *testing.T) {
	t.Parallel()
	x := newTrial(t)
	end := x.storm(t, theSub)
	for range 5 {
		x.wantPassed(t, 200)
		do(t, x.redis, "FLUSHALL")
	}
	x.wantPassed(t, 200)
	end()
	x.wantSettled(t, 5*maxInTransit)
	for range 5 { // the same while nothing is passed on and the worker waits
		await.NoError(t, func() error {
			if clients := do(t, x.redis, "INFO", "clients"); !strings.Contains(clients, "blocked_clients:1") {
				return errNotYet
			}
			return nil
		})
		do(t, x.redis, "FLUSHALL")
		x.wantPassed(t, 1)
	}
	wantNoRefusal(t, x.node, x.far)
}

// Redis's memory is full, so it refuses entries. Everything goes through the database, and one
// entry is tried from time to time until Redis accepts it.
func TestRedisOutOfMemory(t *testing.T) {
	t.Parallel()
	x := newTrial(t)
	x.wantEmpty(t)
	do(t, x.redis, "CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction")
	x.mustDeliver(t, theSub, 10)
	await.NoError(t, func() error {
		if x.ledger.account().released == 0 {
			return errNotYet
		}
		return nil
	})
	if x.deliver(theSub, 10) {
		t.Error("there is capacity again at once")
	}
	x.mustDeliver(t, theSub, 10) // after a while
	x.ledger.wantKnown(t)
	if err := x.Failure(); err != nil {
		t.Errorf("Redis counts as down: %v", err)
	}
	if n := x.log.count("Redis refuses"); n != 1 {
		t.Errorf("it is logged %d times:\n%s", n, x.log)
	}
	do(t, x.redis, "CONFIG", "SET", "maxmemory", "0")
	x.wantSettled(t, 0)
	if a := x.ledger.account(); a.both != 0 {
		t.Errorf("%d were offered and released", a.both)
	}
}

// The same when Redis also loses its data, so that the group can't be created.
func TestRedisOutOfMemoryAndEmpty(t *testing.T) {
	t.Parallel()
	x := newTrial(t)
	do(t, x.redis, "CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction")
	do(t, x.redis, "FLUSHALL")
	await.NoError(t, func() error { return loggedOnce(x.far, "could not create the group") })
	do(t, x.redis, "CONFIG", "SET", "maxmemory", "0")
	x.wantSettled(t, 20)
}

// Redis hangs but keeps its connections. Deliveries in transit are released when the patience is
// over, and nothing else hangs.
func TestRedisFrozen(t *testing.T) {
	t.Parallel()
	x := newTrial(t)
	x.wantSettled(t, 0)
	before := x.ledger.account()
	x.redis.Freeze()
	for range 300 {
		x.deliver(theSub, 100)
	}
	await.NoError(t, func() error {
		if a := x.ledger.account(); a.lost != 0 || a.released-before.released != a.sent-before.sent || a.sent == before.sent {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
	x.wantUp(t, false)
	x.wantIdle(t)
	pause(t.Context(), calm) // the entries stay in the connection for that long
	x.redis.Thaw()
	x.wantUp(t, true)
	x.far.wantUp(t, true)
	x.wantEmptyOrOld(t)
	if a := x.ledger.account(); a.both != 0 {
		t.Errorf("%d were released, and offered after that: %+v", a.both, a)
	}
	x.wantPassed(t, 20)
}

// wantEmptyOrOld waits until the stream has no entry that a worker has yet to read.
func (x *trial) wantEmptyOrOld(t *testing.T) {
	t.Helper()
	begun := x.worker.took.Load()
	x.mustDeliver(t, theSub, 10)
	await.NoError(t, func() error {
		x.deliver(theSub, 10)
		if x.worker.took.Load() <= begun+5 {
			return errNotYet
		}
		return nil
	})
}

// Entries that a frozen Redis adds when it wakes up were released long before. A worker must
// release them, although they have just been added to the stream.
func TestThawedEntryIsNotOffered(t *testing.T) {
	t.Parallel()
	server := own(t)
	l := newLedger()
	s := newSender(t, up(t, server.URL()), l)
	s.run(t)
	far, w := up(t, server.URL()), newWorker(l)
	end := receive(t, far, w)
	s.mustDeliver(t, theSub, 10)
	l.wantKnown(t)
	s.wantEmpty(t)
	end() // otherwise Redis would send the entries to a client that no longer waits for them
	server.Freeze()
	for range 10 {
		s.deliver(theSub, 10)
	}
	l.wantKnown(t)
	s.wantUp(t, false)
	server.Thaw()
	s.wantUp(t, true)
	far.wantUp(t, true)
	receive(t, far, w)
	await.NoError(t, func() error {
		if a := l.account(); a.given+a.both == 0 { // otherwise nothing was in transit, and this would test nothing
			return fmt.Errorf("no entry came late: %+v", a)
		}
		return nil
	})
	s.wantEmpty(t)
	if a := l.account(); a.both != 0 {
		t.Errorf("%d were released, and offered after that: %+v", a.both, a)
	}
}

// A replica of another Redis responds but accepts no writes. It must not be used, and that must be
// logged once.
func TestReadOnlyCopy(t *testing.T) {
	t.Parallel()
	original := own(t)
	host, port, _ := net.SplitHostPort(original.Addr())
	copied := own(t, "replicaof "+host+" "+port)
	n := connect(t, copied.URL())
	n.wantFailure(t, "READONLY")
	s := newSender(t, n, newLedger())
	s.run(t)
	for range 4 { // that many pings
		pause(t.Context(), pingEvery)
		if s.deliver(theSub, 10) {
			t.Error("a delivery was passed on to a replica")
		}
	}
	if err := loggedOnce(n, "Redis can't be used"); err != nil {
		t.Error(err)
	}
	do(t, copied, "REPLICAOF", "NO", "ONE") // it becomes the primary
	n.wantUp(t, true)
	s.mustDeliver(t, theSub, 10)
}

// The database is unavailable as well: nothing hangs, and the leases run out.
func TestReleaseFails(t *testing.T) {
	t.Parallel()
	x := newTrial(t)
	x.ledger.mu.Lock()
	x.ledger.fault = errors.New("the database is unavailable")
	x.ledger.mu.Unlock()
	x.redis.Kill()
	for range 50 {
		x.deliver(event.ID{3}, 10)
	}
	x.wantIdle(t)
	if err := x.redis.Start(); err != nil {
		t.Fatal(err)
	}
	x.wantSettled(t, 50)
}

// When Redis's memory is full, entries in the stream can still be read, which frees memory.
func TestReadingWithoutMemory(t *testing.T) {
	t.Parallel()
	server := own(t)
	l := newLedger()
	n := up(t, server.URL())
	s := newSender(t, n, l)
	end := receive(t, n, newWorker(l))
	s.put(t, claim(theSub, 10), 0)
	l.wantKnown(t) // the group exists
	end()
	for range 10 {
		s.put(t, claim(theSub, 10), 0)
	}
	do(t, server, "CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction")
	receive(t, n, newWorker(l))
	l.wantKnown(t)
	s.wantEmpty(t)
	if err := n.Failure(); err != nil {
		t.Errorf("Redis counts as down: %v", err)
	}
}
