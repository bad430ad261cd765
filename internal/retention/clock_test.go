package retention

import (
	"testing"
	"time"
)

// A wall clock that is set, and the trusted time.
func TestLeapsOfTheClock(t *testing.T) {
	const day = 24 * time.Hour
	for why, row := range map[string]struct {
		leap   time.Duration // at the first minute
		back   time.Duration // when it is corrected; 0: never
		after  time.Duration // when it is read
		ahead  time.Duration // how far the trusted time may be ahead of what has passed
		parted int
	}{
		"nothing happens":                            {0, 0, 5 * time.Hour, 0, 0},
		"it is adjusted by seconds":                  {3 * time.Second, 0, time.Hour, 3 * time.Second, 0},
		"an hour ahead, and back":                    {time.Hour, 2 * time.Hour, 3 * time.Hour, 0, 1},
		"an hour ahead: not yet believed":            {time.Hour, 0, 5 * time.Hour, 0, 1},
		"a day ahead: not yet believed":              {day, 0, day, 0, 1},
		"a day ahead: believed after a day":          {day, 0, day + 2*time.Minute, day, 1},
		"an hour back is followed: nothing is old":   {-time.Hour, 0, 2 * time.Hour, -time.Hour, 0},
		"a day back, and set right: that is doubted": {-day, 2 * time.Hour, 3 * time.Hour, -day, 1},
		"that is believed, too, after a day":         {-day, 2 * time.Hour, day + 3*time.Hour, 0, 1},
	} {
		began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		var running time.Duration
		c := &clock{read: func() (time.Time, time.Duration) {
			wall := began.Add(running)
			if running >= time.Minute && (row.back == 0 || running < row.back) {
				wall = wall.Add(row.leap)
			}
			return wall, running
		}}
		parted := 0
		var got time.Time
		for ; running <= row.after; running += time.Minute {
			var now bool
			if _, got, now = c.now(); now {
				parted++
			}
		}
		if ahead := got.Sub(began.Add(running - time.Minute)); ahead != row.ahead || parted != row.parted {
			t.Errorf("%s: it reckons with %v more than has passed, and parted %d times; want %v, %d times", why, ahead, parted, row.ahead, row.parted)
		}
	}
}
