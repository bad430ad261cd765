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

// MaxClockOffset is how far this machine's clock may differ from the database's when
// the service starts. The store itself tolerates any difference. But signatures contain
// this machine's time, and endpoints refuse a signature that is five minutes off, so
// every delivery would fail. The operator sees the error at the start. A running service
// continues, whatever happens to its clock.
const MaxClockOffset = 5 * time.Minute

const (
	// tolerance is the difference below which two clocks count as equal.
	tolerance = time.Second
	// measureEvery is the pause between two measurements, and measureAgain is the pause
	// after one that failed.
	measureEvery = 10 * time.Second
	measureAgain = time.Second
	// One sample is enough if its round trip is shorter than shortTrip. Otherwise up to
	// this many samples are taken, and the one with the shortest round trip counts.
	shortTrip = 50 * time.Millisecond
	samples   = 3
)

// clock converts times between this machine's clock and the database's, so that the
// nodes' clocks don't matter. Times that nodes compare are stored in the database's time:
// when a delivery is due, and when a lease ends. Times that only say when something
// happened are stored in the time of the acting node: when a row was created, when an
// attempt began, when a delivery settled, and the times in ids.
//
// If the clocks differ by less than a second, times are not changed. If the database's
// clock is set, nodes notice it up to ten seconds apart, and may take over deliveries
// from each other meanwhile. Then some attempts are made twice, and none is lost.
type clock struct {
	local    localClock
	reading  atomic.Pointer[reading]
	doubtful chan struct{} // receives a value when the clock was set and must be measured now
	stop     context.CancelFunc
	ended    chan struct{}
}

// localClock returns this machine's time, and how long the program has run. Setting the
// machine's clock does not affect how long the program has run.
type localClock func() (at time.Time, running time.Duration)

func systemClock() localClock {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start)
	}
}

// reading is the result of a measurement.
type reading struct {
	at       time.Time
	running  time.Duration
	measured time.Duration // how far the database's clock is ahead of this machine's
	used     time.Duration // the offset in use
}

// startClock measures the offset once, and then regularly in the background.
func startClock(ctx context.Context, pool *pgxpool.Pool, o Options) (*clock, error) {
	c := &clock{local: o.local, doubtful: make(chan struct{}, 1), ended: make(chan struct{})}
	if c.local == nil {
		c.local = systemClock()
	}
	if err := c.measure(ctx, pool); err != nil {
		return nil, fail("compare this machine's clock with the database's", err)
	}
	if off, _ := c.offset(); off.Abs() > MaxClockOffset {
		return nil, clockError(off)
	}
	ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	go c.run(ctx, pool, cmp.Or(o.measureEvery, measureEvery))
	return c, nil
}

func clockError(off time.Duration) error {
	where := "behind"
	if off < 0 {
		where = "ahead of"
	}
	return fmt.Errorf("this machine's clock is %v %s the database's, and at most %v is allowed, because webhooks are signed with this machine's time and endpoints refuse a wrong time; synchronize both clocks with NTP",
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
		if c.measure(ctx, pool) != nil { // other calls report what is wrong with the database
			pause, doubtful = measureAgain, nil
		}
	}
}

// close stops the measurements.
func (c *clock) close() {
	c.stop()
	<-c.ended
}

// offset returns how far the database's clock is ahead of this machine's, and the offset
// to use. If this machine's clock was set since the last measurement, it has advanced by
// another time than the program has run. offset corrects for that at once, because
// otherwise all leases of other nodes would seem to have run out.
func (c *clock) offset() (measured, used time.Duration) {
	r := c.reading.Load()
	at, running := c.local()
	set := at.Sub(r.at) - (running - r.running)
	if set.Abs() < tolerance {
		return r.measured, r.used
	}
	select {
	case c.doubtful <- struct{}{}: // a machine that was suspended looks the same until it is measured
	default:
	}
	measured = r.measured - set
	return measured, usable(measured, r.used, 0)
}

// usable returns the offset to use. It returns the previous offset unless that is wrong
// now, so that times convert the same from one measurement to the next. The measured
// offset may be off by half of the round trip.
func usable(measured, before, roundTrip time.Duration) time.Duration {
	switch doubt := tolerance + roundTrip/2; {
	case measured.Abs() < doubt:
		return 0
	case (measured - before).Abs() < doubt:
		return before
	}
	return measured.Round(time.Millisecond)
}

// localTime returns this machine's time.
func (c *clock) localTime() time.Time {
	at, _ := c.local()
	return at
}

// toDatabase converts this machine's time to the database's.
func (c *clock) toDatabase(t time.Time) time.Time {
	_, used := c.offset()
	return shift(t, used)
}

// toNode converts the database's time to this machine's.
func (c *clock) toNode(t time.Time) time.Time {
	_, used := c.offset()
	return shift(t, -used)
}

// shift adds to a time. It leaves a zero time as it is.
func shift(t time.Time, by time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(by)
}

// measure measures the offset.
func (c *clock) measure(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	var best reading
	roundTrip := time.Duration(-1)
	for range samples {
		r, took, err := c.sample(ctx, conn.Conn())
		if err != nil {
			return err
		}
		if roundTrip < 0 || took < roundTrip {
			best, roundTrip = r, took
		}
		if roundTrip < shortTrip {
			break
		}
	}
	var before time.Duration
	if last := c.reading.Load(); last != nil {
		before = last.used
	}
	best.used = usable(best.measured, before, roundTrip)
	c.reading.Store(&best)
	return nil
}

// sample asks the database for its time, and assumes that the time was taken in the middle
// of the round trip.
func (c *clock) sample(ctx context.Context, conn *pgx.Conn) (r reading, took time.Duration, err error) {
	var us int64
	r.at, r.running = c.local()
	// The simple protocol needs no extra round trip to prepare the statement.
	err = conn.QueryRow(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`, pgx.QueryExecModeSimpleProtocol).Scan(&us)
	_, running := c.local()
	took = running - r.running
	r.measured = time.UnixMicro(us).Sub(r.at.Add(took / 2))
	return r, took, err
}

// ClockOffset returns how far the database's clock is ahead of this machine's. It is negative
// if this machine is ahead. The store corrects for it; signatures and the times in ids do not.
func (s *Store) ClockOffset() time.Duration {
	measured, _ := s.clock.offset()
	return measured.Round(time.Millisecond)
}
