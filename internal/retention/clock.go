package retention

import "time"

const (
	// leapLeast is by how much more than has passed a clock must go forward to be doubted.
	leapLeast = 10 * time.Minute
	// believedAfter is how long a clock must stand by its leap to be believed.
	believedAfter = 24 * time.Hour
)

// clock is this machine's, but for leaps forward. A clock that is set ahead by a day,
// mistakenly, would make everything a day older than it is, and what is deleted then is
// gone when the mistake is found. So a leap counts a day later: until then time goes on
// from where it was. A machine that slept looks the same, and deletes that much later.
type clock struct {
	read    func() (wall time.Time, running time.Duration)
	base    time.Time     // what running is to be added to
	leapt   bool          // the wall's clock is ahead of what has passed
	leaptAt time.Duration // by running
}

func systemClock() *clock {
	start := time.Now()
	return &clock{read: func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start)
	}}
}

// now returns the time on the wall, the one that what is old is reckoned by, and whether
// they have just parted.
func (c *clock) now() (wall, reckoned time.Time, parted bool) {
	wall, running := c.read()
	leap := wall.Sub(c.base.Add(running))
	switch {
	case c.base.IsZero(), leap < leapLeast, c.leapt && running-c.leaptAt >= believedAfter:
		c.base, c.leapt = wall.Add(-running), false
	case !c.leapt:
		c.leapt, c.leaptAt, parted = true, running, true
	}
	return wall, c.base.Add(running), parted
}
