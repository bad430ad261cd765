package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
)

// attempts counts the attempts that two nodes start in a time, if both try again as soon as they
// may.
func attempts(t *testing.T, sub event.ID, interval, during time.Duration) int {
	t.Helper()
	var many atomic.Int64
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	var group sync.WaitGroup
	for range 2 {
		n := up(t, shared.URL())
		group.Go(func() {
			for ctx.Err() == nil {
				wait := n.Take(context.Background(), sub, interval)
				if wait == 0 {
					many.Add(1)
					wait = interval // the lane itself waits that long
				}
				pause(ctx, wait)
			}
		})
	}
	group.Wait()
	return int(many.Load())
}

func TestTwoNodesShareARate(t *testing.T) {
	t.Parallel()
	for _, row := range []struct { // a busy machine makes fewer
		why      string
		interval time.Duration
		least    int
		most     int
	}{
		{"two a second", 500 * time.Millisecond, 3, 7},
		{"twenty a second", 50 * time.Millisecond, 20, 62},
		{"two hundred a second", 5 * time.Millisecond, 100, 612},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			n := attempts(t, theSub, row.interval, 3*time.Second)
			t.Logf("%d attempts", n)
			if n < row.least || n > row.most {
				t.Errorf("%d attempts in 3 s, want from %d to %d", n, row.least, row.most)
			}
		})
	}
}

// A node that starts after a pause gets one attempt, and no other node gets one at the same time.
func TestRateAfterAPause(t *testing.T) {
	t.Parallel()
	near, far := up(t, shared.URL()), up(t, shared.URL())
	const day = 24 * time.Hour
	if wait := near.Take(t.Context(), theSub, day); wait != 0 {
		t.Errorf("the first waits for %v", wait)
	}
	for _, n := range []*node{near, far} {
		if wait := n.Take(t.Context(), theSub, day); wait < day-time.Minute || wait > day {
			t.Errorf("the next waits for %v, want a day", wait)
		}
	}
	if wait := far.Take(t.Context(), event.ID{9}, day); wait != 0 {
		t.Errorf("that of another subscription waits for %v", wait)
	}
}

// A changed rate applies at once: no attempt waits for longer than the new interval.
func TestRateIsChanged(t *testing.T) {
	t.Parallel()
	n := up(t, shared.URL())
	n.Take(t.Context(), theSub, 24*time.Hour)
	if wait := n.Take(t.Context(), theSub, time.Minute); wait < 50*time.Second || wait > time.Minute {
		t.Errorf("with one a minute it waits for %v", wait)
	}
	n.Take(t.Context(), event.ID{9}, time.Millisecond)
	await.NoError(t, func() error {
		if wait := n.Take(t.Context(), event.ID{9}, time.Hour); wait > time.Second {
			t.Fatalf("at one in an hour it waits for %v, although the last attempt was at one in a millisecond", wait)
		} else if wait > 0 {
			return errNotYet
		}
		return nil
	})
	if wait := n.Take(t.Context(), event.ID{9}, time.Hour); wait < 59*time.Minute {
		t.Errorf("after that it waits for %v", wait)
	}
}

// Redis forgets rates that are not used.
func TestRateKeysExpire(t *testing.T) {
	t.Parallel()
	n := up(t, shared.URL())
	for _, interval := range []time.Duration{time.Millisecond, time.Second, 24 * time.Hour} {
		id := event.NewID(time.Now())
		n.Take(t.Context(), id, interval)
		left, err := n.redis.PTTL(t.Context(), n.key("rate:"+id.String())).Result()
		if err != nil || left < interval || left > interval+2*time.Second {
			t.Errorf("at one in %v the key lives for %v (%v)", interval, left, err)
		}
	}
}

// A frozen Redis delays one attempt for a moment, and the next one not at all.
func TestRateWithoutRedis(t *testing.T) {
	t.Parallel()
	server := own(t)
	n := up(t, server.URL())
	n.Take(t.Context(), theSub, time.Hour)
	server.Freeze()
	begun := time.Now()
	if wait := n.Take(t.Context(), theSub, time.Hour); wait != 0 {
		t.Errorf("it waits for %v", wait)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the attempt was delayed for %v", took)
	}
	n.wantUp(t, false)
	server.Thaw()
	n.wantUp(t, true)
	if wait := n.Take(t.Context(), theSub, time.Hour); wait < 59*time.Minute {
		t.Errorf("when Redis is back it waits for %v", wait)
	}
}

// If Redis's memory is full, or the key of the rate has a wrong value, each node applies the rate limit
// on its own.
func TestRateThatRedisRefuses(t *testing.T) {
	t.Parallel()
	n := up(t, shared.URL())
	key := n.key("rate:" + theSub.String())
	for _, prepare := range []func() error{
		func() error { return n.redis.LPush(t.Context(), key, "a list").Err() },
		func() error { n.redis.Del(t.Context(), key); return n.redis.Set(t.Context(), key, "rubbish", 0).Err() },
	} {
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
		if wait := n.Take(t.Context(), theSub, time.Hour); wait != 0 {
			t.Errorf("it waits for %v", wait)
		}
	}
	if err := n.Failure(); err != nil {
		t.Errorf("Redis counts as down: %v", err)
	}
}
