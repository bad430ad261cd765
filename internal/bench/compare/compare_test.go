package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script returns given measurements, and records which builds were measured.
type script struct {
	others []float64 // of each run in turn
	asked  []build
}

func (s *script) measure(which build) (result, error) {
	r := result{cpu: 100, rate: 1000, others: s.others[len(s.asked)]}
	if which == newBuild {
		r.cpu, r.rate = 104, 980
	}
	s.asked = append(s.asked, which)
	return r, nil
}

func TestPairs(t *testing.T) {
	o, n := oldBuild, newBuild
	for _, c := range []struct {
		why    string
		o      options
		others []float64
		asked  []build
		busy   int
	}{
		{"the order alternates", options{pairs: 3, repeats: 3, quiet: 0.1}, make([]float64, 6), []build{o, n, n, o, o, n}, 0},
		{"a busy pair is repeated as a whole, in the same order", options{pairs: 2, repeats: 3, quiet: 0.1}, []float64{0, 0, 0, 0.2, 0, 0.1}, []build{o, n, n, o, n, o}, 0},
		{"a pair that stays busy counts, and is reported", options{pairs: 1, repeats: 1, quiet: 0.1}, []float64{0.5, 0, 0, 0.5}, []build{o, n, o, n}, 1},
		{"every pair is accepted", options{pairs: 1, repeats: 3, quiet: 1}, []float64{0.9, 1}, []build{o, n}, 0},
	} {
		s, out := &script{others: c.others}, &strings.Builder{}
		busy, err := compare(t.Context(), out, c.o, s.measure)
		if err != nil || busy != c.busy || !slices.Equal(s.asked, c.asked) {
			t.Errorf("%s: %d busy, %v; it measured %v; want %d and %v", c.why, busy, err, s.asked, c.busy, c.asked)
		}
		if want := "CPU per delivery 1.040, rate 0.980"; !strings.Contains(out.String(), want) {
			t.Errorf("%s: the output\n%s\nlacks %q", c.why, out, want)
		}
	}
}

// The median is that of the ratios, not the ratio of the medians, because the speed of the machine
// changes from pair to pair.
func TestMedianIsOfRatios(t *testing.T) {
	pairs := []pair{
		{result{cpu: 100}, result{cpu: 110}},
		{result{cpu: 50}, result{cpu: 50}},
		{result{cpu: 200}, result{cpu: 240}},
	}
	got := []float64{median(pairs, pair.cpu), median(pairs[:2], pair.cpu)}
	if diff := cmp.Diff([]float64{1.1, 1.05}, got, cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })); diff != "" {
		t.Error(diff)
	}
}

func TestBusyTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 9 9 9 9\n": 630 * time.Millisecond,
		"": 0, // no /proc
	} {
		if got := parseBusy(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
