package telemetry

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// shown scrapes the metrics and returns the gauges of the depth. up is 0 or 1.
func shown(t *testing.T, m *Metrics) (up float64, gauges map[string]float64) {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatalf("the scrape failed: %v", err)
	}
	gauges = map[string]float64{}
	for _, family := range families {
		value := family.GetMetric()[0].GetGauge().GetValue()
		switch name := family.GetName(); name {
		case "hookferry_store_up":
			up = value
		case "hookferry_deliveries_pending", "hookferry_deliveries_leased", "hookferry_deliveries_due", "hookferry_oldest_due_seconds":
			gauges[name] = value
		}
	}
	return up, gauges
}

func TestDepthIsShown(t *testing.T) {
	m := NewMetrics("test", func(context.Context) (event.Depth, error) {
		return event.Depth{Pending: 9, Leased: 2, Due: 4, OldestDue: 1500 * time.Millisecond}, nil
	})
	up, gauges := shown(t, m)
	want := map[string]float64{
		"hookferry_deliveries_pending": 9, "hookferry_deliveries_leased": 2,
		"hookferry_deliveries_due": 4, "hookferry_oldest_due_seconds": 1.5,
	}
	if up != 1 || len(gauges) != len(want) {
		t.Errorf("up is %v with %v, want 1 with %v", up, gauges, want)
	}
	for name, value := range want {
		if gauges[name] != value {
			t.Errorf("%s is %v, want %v", name, gauges[name], value)
		}
	}
}

func TestDepthIsReadOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		m := NewMetrics("test", func(context.Context) (event.Depth, error) {
			reads++
			return event.Depth{Pending: reads}, nil
		})
		for _, step := range []struct {
			reason string
			wait   time.Duration
			want   float64
		}{
			{"the first scrape reads", 0, 1},
			{"right after it: shared", 0, 1},
			{"just before a second has passed: shared", 999 * time.Millisecond, 1},
			{"a second: read again", time.Millisecond, 2},
		} {
			time.Sleep(step.wait)
			if _, gauges := shown(t, m); gauges["hookferry_deliveries_pending"] != step.want {
				t.Errorf("%s: pending is %v, want %v", step.reason, gauges["hookferry_deliveries_pending"], step.want)
			}
		}
	})
}

func TestAFailingStoreIsShownDownAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failure error
		m := NewMetrics("test", func(context.Context) (event.Depth, error) { return event.Depth{Pending: 1}, failure })
		failure = errors.New("disk on fire")
		if up, gauges := shown(t, m); up != 0 || len(gauges) != 0 {
			t.Errorf("up is %v with %v, want 0 and no gauges", up, gauges)
		}
		failure = nil
		time.Sleep(depthFresh)
		if up, gauges := shown(t, m); up != 1 || len(gauges) != 4 {
			t.Errorf("up is %v with %v, want 1 with 4 gauges", up, gauges)
		}
	})
}

func TestAHangingStoreDelaysNoScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var reads atomic.Int32
		m := NewMetrics("test", func(context.Context) (event.Depth, error) {
			if reads.Add(1) == 1 {
				<-release // the worst case: it ignores its context
			}
			return event.Depth{Pending: 1}, nil
		})
		scrape := func(wantUp float64, wantTook time.Duration) {
			t.Helper()
			began := time.Now()
			up, _ := shown(t, m)
			if took := time.Since(began); up != wantUp || took != wantTook {
				t.Errorf("up is %v after %v, want %v after %v", up, took, wantUp, wantTook)
			}
		}
		scrape(0, depthTimeout) // waits for the response
		scrape(0, 0)            // knows that there is no response
		if n := reads.Load(); n != 1 {
			t.Errorf("%d reads are waiting for a store that hangs, want 1", n)
		}
		close(release)
		synctest.Wait()
		scrape(1, 0)
	})
}

func TestTheReadIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics("test", func(ctx context.Context) (event.Depth, error) {
			<-ctx.Done()
			return event.Depth{}, ctx.Err()
		})
		began := time.Now()
		if up, _ := shown(t, m); up != 0 || time.Since(began) != depthTimeout {
			t.Errorf("up is %v after %v, want 0 after %v", up, time.Since(began), depthTimeout)
		}
	})
}

func TestScrapesAtOnceShareARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int32
		m := NewMetrics("test", func(context.Context) (event.Depth, error) {
			reads.Add(1)
			time.Sleep(100 * time.Millisecond)
			return event.Depth{Pending: 1}, nil
		})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if up, _ := shown(t, m); up != 1 {
					t.Errorf("up is %v, want 1", up)
				}
			})
		}
		all.Wait()
		if n := reads.Load(); n != 1 {
			t.Errorf("10 scrapes at once made %d reads, want 1", n)
		}
	})
}
