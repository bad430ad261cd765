package dispatch

import (
	"errors"
	"testing"
	"time"
)

func TestWhichLeasesAreLookedAt(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	all := time.Time{}
	type scan struct {
		now, ended time.Duration
		err        error
	}
	lost := errors.New("the database is away")
	for _, tt := range []struct {
		name   string
		scans  []scan
		now    time.Duration
		want   time.Time
		reason string
	}{
		{"the first", nil, 0, all, "leases of a dead process may have expired long ago"},
		{"after a fast one", []scan{{0, 10 * time.Millisecond, nil}}, 2 * time.Second, all, "it costs little"},
		{"after a slow one", []scan{{0, time.Second, nil}}, 3 * time.Second, at(-leaseSlack), "rows that were locked may be free now"},
		{"the one after", []scan{{0, time.Second, nil}, {3 * time.Second, 3 * time.Second, nil}}, 5 * time.Second, at(3*time.Second - leaseSlack), "from the end of the last scan on"},
		{"after one that failed", []scan{{0, time.Second, nil}, {3 * time.Second, 4 * time.Second, lost}}, 6 * time.Second, at(-leaseSlack), "from the last success on"},
		{"fifty times as long after a slow one", []scan{{0, 200 * time.Millisecond, nil}}, 10200 * time.Millisecond, all, "a full scan then takes two percent of the time"},
		{"twelve seconds after a very slow one", []scan{{0, 3 * time.Second, nil}}, 15 * time.Second, all, "a lease may have been stored late"},
		{"after one of all that failed", []scan{{0, 0, nil}, {2 * time.Second, 6 * time.Second, lost}}, 8 * time.Second, at(-leaseSlack), "a scan of all leases takes too long"},
		{"after a first one that failed", []scan{{0, 4 * time.Second, lost}}, 6 * time.Second, all, "nothing is known yet"},
		{"the clock was set back", []scan{{time.Hour, time.Hour + time.Second, nil}}, 2 * time.Second, at(2*time.Second - leaseSlack), "from the present time on"},
	} {
		var l leaseScan
		for _, s := range tt.scans {
			now := at(s.now)
			l.done(l.from(now), now, at(s.ended), s.err)
		}
		if got := l.from(at(tt.now)); !got.Equal(tt.want) {
			t.Errorf("%s: from %v, want %v: %s", tt.name, got, tt.want, tt.reason)
		}
	}
}
