package app

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

type fixedClock time.Duration

func (c fixedClock) ClockOffset() time.Duration { return time.Duration(c) }

// The service audits through wrappers, which hide optional interfaces of the driver.
func TestIntegrityComparesTheClocks(t *testing.T) {
	driver, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hookferry.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close()
	for _, tt := range []struct {
		reason string
		clock  store.Clock
		apart  bool
	}{
		{"the database has no clock of its own", nil, false},
		{"the clocks agree", fixedClock(time.Second), false},
		{"the database is ahead", fixedClock(2 * maxClockOffset), true},
		{"this machine is ahead", fixedClock(-2 * maxClockOffset), true},
	} {
		report, err := (&auditor{store: driver, clock: tt.clock}).integrity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if apart := len(report.Findings) == 1 && report.Findings[0].Rule == "clocks_agree"; apart != tt.apart {
			t.Errorf("%s: found %+v", tt.reason, report.Findings)
		}
	}
}
