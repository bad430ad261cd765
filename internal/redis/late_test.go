package redis

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
)

// put adds an entry that a node sent at an earlier time.
func (s *sender) put(t *testing.T, c event.Claimed, ago time.Duration) {
	t.Helper()
	s.ledger.mu.Lock()
	s.ledger.fates[c.Delivery.ID] = &fate{claimed: c}
	s.ledger.mu.Unlock()
	s.putText(t, string(encode(c, s.now().Add(-ago))))
}

func (s *sender) putText(t *testing.T, text string) {
	t.Helper()
	args := &goredis.XAddArgs{Stream: s.key(streamName), Values: []any{field, text}}
	if err := s.redis.XAdd(context.Background(), args).Err(); err != nil {
		t.Fatal(err)
	}
}

// Entries that were sent long ago may have been released meanwhile, so a worker releases them.
func TestLateEntriesAreGivenBack(t *testing.T) {
	t.Parallel()
	l := newLedger()
	s := newSender(t, up(t, shared.URL()), l)
	for i := range 10 {
		s.put(t, claim(theSub, i), s.maxAge()+time.Duration(i)*time.Second)
	}
	far := up(t, shared.URL())
	receive(t, far, newWorker(l))
	l.wantKnown(t)
	s.wantEmpty(t)
	if a := l.account(); a.given != 10 || a.offered != 0 || far.returned.Load() != 10 {
		t.Errorf("%+v, and counted were %d", a, far.returned.Load())
	}
}

// An entry that can't be decoded is skipped, and those around it are not.
func TestRubbishEntries(t *testing.T) {
	t.Parallel()
	l := newLedger()
	s := newSender(t, up(t, shared.URL()), l)
	far := up(t, shared.URL())
	receive(t, far, newWorker(l))
	for _, text := range []string{"", "rubbish", "\x03" + string(make([]byte, 200)), "\x01"} {
		s.put(t, claim(theSub, 10), 0)
		s.putText(t, text)
	}
	args := &goredis.XAddArgs{Stream: s.key(streamName), Values: []any{"other", "1", "fields", "2"}}
	if err := s.redis.XAdd(t.Context(), args).Err(); err != nil {
		t.Fatal(err)
	}
	s.put(t, claim(theSub, 10), 0)
	l.wantKnown(t)
	s.wantEmpty(t)
	if n := far.log.count("can't be decoded"); n != 1 {
		t.Errorf("it is logged %d times:\n%s", n, far.log)
	}
}

// The key of the stream has another type: nothing is passed on, nothing hangs, and that is logged
// once.
func TestSomethingElseInItsPlace(t *testing.T) {
	t.Parallel()
	l := newLedger()
	s := newSender(t, up(t, shared.URL()), l)
	s.run(t)
	if err := s.redis.Set(t.Context(), s.key(streamName), "something", 0).Err(); err != nil {
		t.Fatal(err)
	}
	far := up(t, shared.URL())
	receive(t, far, newWorker(l))
	for range 2 {
		s.mustDeliver(t, theSub, 10)
	}
	l.wantKnown(t)
	if a := l.account(); a.released != 2 {
		t.Errorf("%+v", a)
	}
	await.NoError(t, func() error { return loggedOnce(s.node, "Redis refuses") })
	await.NoError(t, func() error { return loggedOnce(far, "could not read") })
	if err := s.redis.Del(t.Context(), s.key(streamName)).Err(); err != nil {
		t.Fatal(err)
	}
	s.mustDeliver(t, theSub, 10)
	l.wantKnown(t)
	s.wantEmpty(t)
}

// readAndDie reads what is in the stream and never deletes it.
func (s *sender) readAndDie(t *testing.T, most int64) int {
	t.Helper()
	ctx := context.Background()
	if err := s.redis.XGroupCreateMkStream(ctx, s.key(streamName), groupName, "0").Err(); err != nil {
		t.Fatal(err)
	}
	streams, err := s.redis.XReadGroup(ctx, &goredis.XReadGroupArgs{
		Group: groupName, Consumer: groupName, Streams: []string{s.key(streamName), ">"}, Count: most, NoAck: true, Block: -1,
	}).Result()
	if err != nil {
		t.Fatal(err)
	}
	return len(streams[0].Messages)
}

// The workers died after they had read everything that the stream may hold. It must be reclaimed,
// so that the stream does not stay full forever.
func TestWorkersDieAfterReading(t *testing.T) {
	t.Parallel()
	l := newLedger()
	s := newSender(t, up(t, shared.URL()), l)
	for i := range maxInTransit {
		if !s.deliver(event.ID{byte(i)}, 10) {
			t.Fatal("refused")
		}
	}
	end := s.run(t)
	s.wantIdle(t)
	s.readAndDie(t, maxInTransit/2) // the rest was never read
	begun := time.Now()
	s.wantEmpty(t)
	l.wantKnown(t)
	t.Logf("all were reclaimed after %v", time.Since(begun))
	if a := l.account(); a.released != maxInTransit || a.sent != maxInTransit {
		t.Errorf("%+v", a)
	}
	if s.behind.said > 0 {
		t.Error("reclaimed entries count as read")
	}
	await.NoError(t, func() error {
		if n := s.inStream(); n != 0 {
			return fmt.Errorf("the node counts %d entries in the stream", n)
		}
		return nil
	})
	receive(t, up(t, shared.URL()), newWorker(l))
	s.mustDeliver(t, theSub, 10)
	l.wantKnown(t)
	end()
}

// Entries of another node that no worker reads are reclaimed and released with that node's leases.
func TestTakesBackForOthers(t *testing.T) {
	t.Parallel()
	l := newLedger()
	n := up(t, shared.URL())
	dead := newSender(t, n, l)
	for range 10 {
		dead.put(t, claim(theSub, 10), 0)
	}
	var owners []string
	other := newSender(t, n, l)
	other.o.Owner = "api-2"
	other.o.Release = func(ctx context.Context, leases []event.LeaseKey) error {
		known := slices.Clone(leases)
		for i := range known {
			owners = append(owners, leases[i].Owner)
			known[i].Owner = ownerName
		}
		return l.release(ctx, known)
	}
	end := other.run(t)
	other.mustDeliver(t, theSub, 10)
	l.wantKnown(t)
	end()
	if a := l.account(); a.released != 11 {
		t.Errorf("%+v", a)
	}
	for _, want := range []string{ownerName, "api-2"} {
		if !slices.Contains(owners, want) {
			t.Errorf("nothing was released for %s, only for %v", want, owners)
		}
	}
}

// The node that deletes an entry owns it: if two try, only one succeeds.
func TestOneOwner(t *testing.T) {
	t.Parallel()
	s := newSender(t, up(t, shared.URL()), newLedger())
	const many = 100
	for range many {
		s.put(t, claim(theSub, 10), 0)
	}
	all, err := s.redis.XRange(t.Context(), s.key(streamName), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var owners [2][]bool
	var group sync.WaitGroup
	for i := range owners {
		group.Go(func() {
			var err error
			if owners[i], err = s.remove(t.Context(), all); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for i := range many {
		if owners[0][i] == owners[1][i] {
			t.Errorf("entry %d: %v and %v", i, owners[0][i], owners[1][i])
		}
	}
}

// At times the workers have no capacity for longer than an entry may wait. Entries are then reclaimed,
// and none of them is offered or lost.
func TestOfferedOrTakenBack(t *testing.T) {
	t.Parallel()
	l := newLedger()
	var workers []*worker
	for range 3 {
		workers = append(workers, newWorker(l))
		receive(t, up(t, shared.URL()), workers[len(workers)-1])
	}
	var ends []func()
	var senders []*sender
	for range 2 {
		s := newSender(t, up(t, shared.URL()), l)
		s.run(t)
		senders, ends = append(senders, s), append(ends, s.storm(t, theSub))
	}
	for i := range 4 {
		for _, w := range workers {
			w.capacity.Store(int64(i % 2 * 64))
		}
		before := l.account()
		await.NoError(t, func() error {
			if a := l.account(); i%2 == 0 && a.released == before.released || i%2 == 1 && a.offered < before.offered+100 {
				return fmt.Errorf("%+v", a)
			}
			return nil
		})
	}
	for _, end := range ends {
		end()
	}
	l.wantKnown(t)
	for _, s := range senders {
		s.wantIdle(t)
	}
	senders[0].wantEmpty(t)
	if a := l.account(); a.both != 0 || a.twice != 0 {
		t.Errorf("%+v", a)
	}
}
