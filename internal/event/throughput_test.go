package event_test

import (
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

func TestThroughput(t *testing.T) {
	const ms = time.Millisecond
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, row := range []struct {
		why   string
		pass  time.Duration // between two additions
		each  int
		times int
		after time.Duration // after the last of them
		want  float64
	}{
		{"nothing has passed", 0, 0, 0, 0, 0},
		{"no window is complete yet", 10 * ms, 1, 10, 0, 0},
		{"one every 10 ms", 10 * ms, 1, 30, 0, 100},
		{"several at a time", 10 * ms, 8, 30, 0, 800},
		{"a quiet moment changes nothing", 10 * ms, 1, 30, 100 * ms, 100},
		{"a long pause", 10 * ms, 1, 30, time.Second, 0},
		{"one every half second, with pauses that are too long", 500 * ms, 1, 10, 0, 0},
	} {
		var through event.Throughput
		now := start
		for range row.times {
			now = now.Add(row.pass)
			through.Add(now, row.each)
		}
		if got := through.PerSecond(now.Add(row.after)); got != row.want {
			t.Errorf("%s: %v a second, want %v", row.why, got, row.want)
		}
	}
}
