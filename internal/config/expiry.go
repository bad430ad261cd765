package config

import (
	"errors"
	"fmt"
	"time"
)

// maxLife is the longest time until an expiry.
const maxLife = 100 * 365 * day

// ParseExpiry reads an expiry: after a duration with a unit ("90d"), at the start of a day in UTC
// ("2027-01-31"), or at a time (RFC 3339).
func ParseExpiry(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if !at.After(now) || at.Sub(now) > maxLife {
			return time.Time{}, errors.New("is in the past, or more than a hundred years away")
		}
		return at.UTC(), nil
	}
	if len(text) > 0 && text[len(text)-1] <= '9' { // a number without a unit
		return time.Time{}, errNotAnExpiry
	}
	life, err := addDays(text)
	if err != nil {
		return time.Time{}, errNotAnExpiry
	}
	if life < time.Second || life > maxLife {
		return time.Time{}, fmt.Errorf("is out of range: write a duration from 1s to %s", showDuration(maxLife))
	}
	return now.Add(life).UTC(), nil
}

var errNotAnExpiry = errors.New("is not an expiry: write a duration like 90d or 12h, a day like 2027-01-31 (from its start in UTC), or a time like 2027-01-31T18:00:00Z")
