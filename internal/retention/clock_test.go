package retention

import (
	"testing"
	"time"
)

// A wall clock that is set, and the trusted time.
func TestLeapsOfTheClock(t *testing.T) {
	const day = 24 * time.Hour
	for why, row := range map[string]struct {
		leap  time.Duration // at the first minute
		back  time.Duration // when it is corrected; 0: never
		after time.Duration // when it is read
		ahead time.Duration // how far the trusted time may be ahead of what has passed
		leaps int
	}{
		"nothing happens":                        {0, 0, 5 * time.Hour, 0, 0},
		"it is adjusted by seconds":              {3 * time.Second, 0, time.Hour, 3 * time.Second, 0},
		"an hour ahead, and back":                {time.Hour, 2 * time.Hour, 3 * time.Hour, 0, 1},
		"an hour ahead: not yet trusted":         {time.Hour, 0, 5 * time.Hour, 0, 1},
		"a day ahead: not yet trusted":           {day, 0, day, 0, 1},
		"a day ahead: trusted after a day":       {day, 0, day + 2*time.Minute, day, 1},
		"an hour back: followed at once":         {-time.Hour, 0, 2 * time.Hour, -time.Hour, 0},
		"a day back, then correct: a leap ahead": {-day, 2 * time.Hour, 3 * time.Hour, -day, 1},
		"this leap, too, is trusted after a day": {-day, 2 * time.Hour, day + 3*time.Hour, 0, 1},
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
		leaps := 0
		var got time.Time
		for ; running <= row.after; running += time.Minute {
			var now bool
			if _, got, now = c.now(); now {
				leaps++
			}
		}
		if ahead := got.Sub(began.Add(running - time.Minute)); ahead != row.ahead || leaps != row.leaps {
			t.Errorf("%s: the trusted time is %v ahead of the time that has passed, after %d leaps; want %v, %d leaps", why, ahead, leaps, row.ahead, row.leaps)
		}
	}
}
