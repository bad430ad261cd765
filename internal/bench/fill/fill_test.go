package fill

import "testing"

func TestWriteSpreadsEvenly(t *testing.T) {
	for _, f := range []Filling{
		{Settled: 10, Subscriptions: 3},             // not to be divided evenly
		{Settled: 3, Subscriptions: 10},             // fewer than subscriptions
		{Settled: 50_000, Subscriptions: 1000},      // all in turn
		{Settled: 500_000, Subscriptions: 5000},     // in blocks
		{Settled: 15_000, Subscriptions: 1500},      // the last block is smaller
		{Settled: 1_000_000, Subscriptions: 10_000}, // what the report fills with
	} {
		counts := make([]int, f.Subscriptions)
		for n := range f.Settled {
			counts[f.subscription(n)]++
		}
		low, high := counts[0], counts[0]
		for _, n := range counts {
			low, high = min(low, n), max(high, n)
		}
		if high-low > 1 {
			t.Errorf("%d deliveries of %d subscriptions: %d of one and %d of another", f.Settled, f.Subscriptions, low, high)
		}
	}
}
