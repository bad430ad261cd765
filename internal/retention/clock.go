package retention

import "time"

const (
	// minLeap is how far the wall clock must jump ahead before it is doubted.
	minLeap = 10 * time.Minute
	// trustAfter is how long a clock must stay ahead before it is trusted again.
	trustAfter = 24 * time.Hour
)

// clock is the machine's wall clock without sudden leaps forward. If the wall clock is set a
// day ahead by mistake, everything seems a day older than it is, and too much would be deleted
// before the mistake is found. So clock ignores a leap for a day, and continues from the time
// before it. After a suspension of the machine, the wall clock leaps too, and its retention is a
// day late.
type clock struct {
	read    func() (wall time.Time, running time.Duration)
	base    time.Time     // base + running is the time without the leap
	leapt   bool          // the wall clock has leapt ahead
	leaptAt time.Duration // the value of running at the leap
}

func systemClock() *clock {
	start := time.Now()
	return &clock{read: func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start)
	}}
}

// now returns the wall clock's time, the trusted time without leaps, and whether the wall clock
// has just leapt.
func (c *clock) now() (wall, trusted time.Time, leaps bool) {
	wall, running := c.read()
	leap := wall.Sub(c.base.Add(running))
	switch {
	case c.base.IsZero(), leap < minLeap, c.leapt && running-c.leaptAt >= trustAfter:
		c.base, c.leapt = wall.Add(-running), false
	case !c.leapt:
		c.leapt, c.leaptAt, leaps = true, running, true
	}
	return wall, c.base.Add(running), leaps
}
