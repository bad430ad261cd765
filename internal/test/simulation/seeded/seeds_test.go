package seeded

import (
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// run plays one seed.
func run(t *testing.T, seed uint64) (w *world) {
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t, seed)
		w.play()
	})
	return w
}

// few returns n, or a twentieth of it in a quick run of the tests.
func few(n uint64) uint64 {
	if testing.Short() {
		return (n + 19) / 20
	}
	return n
}

// TestSeeds plays SIMULATE_SEEDS seeds, starting with SIMULATE_FIRST.
func TestSeeds(t *testing.T) {
	first, n := setting(t, "SIMULATE_FIRST", 1), setting(t, "SIMULATE_SEEDS", few(seeds))
	began := time.Now()
	var sum stats
	for seed := first; seed < first+n; seed++ {
		// A subtest, so that the seed is named even if the run can't end.
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := run(t, seed)
			if w.wrong != "" {
				t.Errorf("%s\nplay it again with: SIMULATE_FIRST=%d SIMULATE_SEEDS=1 make simulate\n%s", w.wrong, seed, tail(w.trace.String(), n == 1))
			}
			sum.add(w.stats)
		})
	}
	if n >= 100 && (sum.stale == 0 || sum.rematched == 0 || sum.kills == 0) {
		t.Errorf("%d seeds never came to what they are for: %+v", n, sum)
	}
	if os.Getenv("SIMULATE_SEEDS") != "" {
		fmt.Printf("%d seeds in %v: %+v\n", n, time.Since(began).Round(time.Millisecond), sum)
	}
}

// TestSeedsReplay plays seeds twice, and expects the same steps.
func TestSeedsReplay(t *testing.T) {
	for seed := uint64(1); seed <= few(replayed); seed++ {
		first, second := run(t, seed), run(t, seed)
		if hash(first) != hash(second) {
			t.Fatalf("seed %d gave another run the second time:\n%s", seed, difference(first.trace.String(), second.trace.String()))
		}
	}
}

func hash(w *world) uint64 {
	h := fnv.New64a()
	h.Write(w.trace.Bytes())
	return h.Sum64()
}

// difference returns where two traces differ.
func difference(a, b string) string {
	first, second := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range first {
		if i >= len(second) || first[i] != second[i] {
			from := max(0, i-10)
			return strings.Join(first[from:min(i+5, len(first))], "\n") + "\n--- and\n" + strings.Join(second[from:min(i+5, len(second))], "\n")
		}
	}
	return "the second went on"
}

// tail returns the end of a trace, or all of it.
func tail(trace string, all bool) string {
	lines := strings.Split(trace, "\n")
	if !all && len(lines) > 25 {
		lines = lines[len(lines)-25:]
	}
	return strings.Join(lines, "\n")
}

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		t.Fatalf("%s=%q is not a whole number", name, text)
	}
	return n
}

func (s *stats) add(o stats) {
	s.steps += o.steps
	s.faults += o.faults
	s.kills += o.kills
	s.accepted += o.accepted
	s.delivered += o.delivered
	s.failed += o.failed
	s.cancelled += o.cancelled
	s.pending += o.pending
	s.overtaken += o.overtaken
	s.rescued += o.rescued
	s.duplicates += o.duplicates
	s.strays += o.strays
	s.resends += o.resends
	s.requests += o.requests
	s.published += o.published
	s.stale += o.stale
	s.rematched += o.rematched
	s.longest = max(s.longest, o.longest)
}
