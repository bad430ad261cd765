package postgres

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// MaxClockOffset is how far this machine's clock may be from the database's when
// the service starts. The store itself would put up with any difference. But what is
// signed carries this machine's time, and receivers refuse a signature that is five
// minutes off: every delivery would fail. Whoever starts a service is there to read
// why; one that runs already goes on, whatever becomes of its clock.
const MaxClockOffset = 5 * time.Minute

const (
	// agree is the difference below which two clocks are taken as the same.
	agree = time.Second
	// measureEvery is the pause between two measurements, measureAgain that after
	// one that failed.
	measureEvery = 10 * time.Second
	measureAgain = time.Second
	// A round trip that is shorter than near says enough. Where it takes longer, the
	// shortest of so many samples counts.
	near    = 50 * time.Millisecond
	samples = 3
)

// A clock brings times from this machine's clock to the database's and back, so that
// the nodes' clocks don't matter. What nodes compare with each other is kept in the
// database's time: when a delivery is due, and when a lease ends. What only says
// when something happened is kept as the node had it that did it: when a row was
// made, when an attempt began, when a delivery settled, and the times in ids.
//
// Where the clocks agree, to the second, times are left as they are. When it is the
// database's clock that is set, nodes find out up to ten seconds apart, and may take
// over from each other meanwhile: then attempts are made twice, and none is lost.
type clock struct {
	local    localClock
	reading  atomic.Pointer[reading]
	doubtful chan struct{} // gets a value when the clock was set: measure it now
	stop     context.CancelFunc
	ended    chan struct{}
}

// localClock reads this machine's clock, and how long the program has run. The
// second goes on evenly where the first is set.
type localClock func() (at time.Time, running time.Duration)

func systemClock() localClock {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start)
	}
}

// reading is what a measurement found.
type reading struct {
	at       time.Time
	running  time.Duration
	measured time.Duration // what is to be added to this machine's time to have the database's
	used     time.Duration // what is added
}

// startClock measures once, and from then on every now and then.
func startClock(ctx context.Context, pool *pgxpool.Pool, o Options) (*clock, error) {
	c := &clock{local: o.local, doubtful: make(chan struct{}, 1), ended: make(chan struct{})}
	if c.local == nil {
		c.local = systemClock()
	}
	if err := c.measure(ctx, pool); err != nil {
		return nil, fail("compare this machine's clock with the database's", err)
	}
	if off, _ := c.offset(); off.Abs() > MaxClockOffset {
		return nil, tooFar(off)
	}
	ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	go c.run(ctx, pool, cmp.Or(o.measureEvery, measureEvery))
	return c, nil
}

func tooFar(off time.Duration) error {
	where := "behind"
	if off < 0 {
		where = "ahead of"
	}
	return fmt.Errorf("this machine's clock is %v %s the database's, and more than %v is refused: webhooks are signed with this machine's time, and receivers refuse a wrong one; set both clocks by NTP",
		off.Abs().Round(time.Second), where, MaxClockOffset)
}

func (c *clock) run(ctx context.Context, pool *pgxpool.Pool, every time.Duration) {
	defer close(c.ended)
	pause, doubtful := every, c.doubtful
	for {
		turn := time.NewTimer(pause)
		select {
		case <-turn.C:
		case <-doubtful:
		case <-ctx.Done():
			turn.Stop()
			return
		}
		turn.Stop()
		pause, doubtful = every, c.doubtful
		if c.measure(ctx, pool) != nil { // the calls that do the work say what is wrong
			pause, doubtful = measureAgain, nil
		}
	}
}

// close waits until nothing is being measured any more.
func (c *clock) close() {
	c.stop()
	<-c.ended
}

// offset is how far the database's clock is ahead of this machine's, and what of
// that is made use of. Between two measurements, this machine's clock may be set: it
// then differs from the time that has passed. At once that counts, because every
// lease of the other nodes would seem to have ended.
func (c *clock) offset() (measured, used time.Duration) {
	r := c.reading.Load()
	at, running := c.local()
	set := at.Sub(r.at) - (running - r.running)
	if set.Abs() < agree {
		return r.measured, r.used
	}
	select {
	case c.doubtful <- struct{}{}: // a machine that slept looks the same, until it is measured
	default:
	}
	measured = r.measured - set
	return measured, usable(measured, r.used, 0)
}

// usable is the offset to use. It stays what it was unless that has become wrong,
// so that a time reads the same from one measurement to the next. What the way to the
// database took may be part of what was measured.
func usable(measured, before, way time.Duration) time.Duration {
	switch doubt := agree + way/2; {
	case measured.Abs() < doubt:
		return 0
	case (measured - before).Abs() < doubt:
		return before
	}
	return measured.Round(time.Millisecond)
}

// here is this machine's time.
func (c *clock) here() time.Time {
	at, _ := c.local()
	return at
}

// toDatabase makes the database's time of this machine's.
func (c *clock) toDatabase(t time.Time) time.Time {
	_, used := c.offset()
	return shift(t, used)
}

// toNode makes this machine's time of the database's.
func (c *clock) toNode(t time.Time) time.Time {
	_, used := c.offset()
	return shift(t, -used)
}

// shift leaves a time alone that is not set.
func shift(t time.Time, by time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(by)
}

// measure asks the database for the time.
func (c *clock) measure(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	var best reading
	way := time.Duration(-1)
	for range samples {
		r, took, err := c.sample(ctx, conn.Conn())
		if err != nil {
			return err
		}
		if way < 0 || took < way {
			best, way = r, took
		}
		if way < near {
			break
		}
	}
	var before time.Duration
	if last := c.reading.Load(); last != nil {
		before = last.used
	}
	best.used = usable(best.measured, before, way)
	c.reading.Store(&best)
	return nil
}

// sample takes the database's answer for the time in the middle of the round trip.
func (c *clock) sample(ctx context.Context, conn *pgx.Conn) (r reading, took time.Duration, err error) {
	var us int64
	r.at, r.running = c.local()
	// The simple protocol has no other round trip before it, to prepare the statement.
	err = conn.QueryRow(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`, pgx.QueryExecModeSimpleProtocol).Scan(&us)
	_, running := c.local()
	took = running - r.running
	r.measured = time.UnixMicro(us).Sub(r.at.Add(took / 2))
	return r, took, err
}

// ClockOffset is how far the database's clock is ahead of this machine's: what would
// have to be added to this machine's time. It is negative where this machine is
// ahead. The store allows for it; what is signed, and the times in ids, don't.
func (s *Store) ClockOffset() time.Duration {
	measured, _ := s.clock.offset()
	return measured.Round(time.Millisecond)
}
