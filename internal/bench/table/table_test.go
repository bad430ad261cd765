package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/bench"
)

func figures(rate, cpu float64) bench.Figures {
	return bench.Figures{DeliveredRate: rate, Used: []bench.Used{{Name: "service", PerDelivery: cpu, Most: 50 << 20}}, Refused: map[string]int{}}
}

func measured(contestants ...bench.Contestant) *result {
	return &result{Command: "hookferry bench", Runs: []bench.Report{{Contestants: contestants}}}
}

func row(t *testing.T, criteria []criterion, what string) criterion {
	t.Helper()
	for _, b := range criteria {
		if b.what == what {
			return b
		}
	}
	t.Fatalf("there is no row %q", what)
	return criterion{}
}

// A target is met or not by the medians, compared with the relay of the same runs.
func TestTargetsRelativeToTheRelay(t *testing.T) {
	for _, test := range []struct {
		cpu, rate        float64
		cpuMet, rateMet  bool
		cpuText, because string
	}{
		{48, 24_000, true, true, "48.0 µs and 40.0 µs: 1.20 ×", "exactly at the target"},
		{49, 23_000, false, false, "49.0 µs and 40.0 µs: 1.23 ×", "just beyond the target"},
	} {
		tab := &table{results: map[string]*result{"full SQLite": measured(
			bench.Contestant{Name: "relay", Runs: []bench.Figures{figures(30_000, 40)}},
			bench.Contestant{Name: "service", Runs: []bench.Figures{figures(test.rate, test.cpu)}},
		)}}
		cpu, rate := row(t, tab.criteria(), "SQLite: CPU per delivery"), row(t, tab.criteria(), "SQLite: delivered per second")
		if cpu.met != test.cpuMet || rate.met != test.rateMet || cpu.found != test.cpuText {
			t.Errorf("%s: %+v, %+v", test.because, cpu, rate)
		}
	}
}

// Separate nodes are compared with a single node, the latency limit, and the CPU limit of
// PostgreSQL.
func TestTargetsOfSeparateNodes(t *testing.T) {
	several := func(rate, postgres float64, p99 time.Duration) bench.Figures {
		f := figures(rate, 60)
		f.Used = append(f.Used, bench.Used{Name: "postgres", PerDelivery: postgres})
		f.Queued.P99 = p99
		return f
	}
	for _, test := range []struct {
		because              string
		figures              bench.Figures
		rate, latency, costs bool
	}{
		{"exactly at the limits", several(9_000, 80, time.Second), true, true, true},
		{"just beyond the limits", several(8_999, 80.1, time.Second+1), false, false, false},
		{"it delivers, but the backlog grows", several(9_500, 60, 9*time.Second), true, false, true},
	} {
		tab := &table{results: map[string]*result{
			"full PostgreSQL":           measured(bench.Contestant{Name: "service", Runs: []bench.Figures{figures(10_000, 60)}}),
			"full PostgreSQL and Redis": measured(bench.Contestant{Name: "service", Runs: []bench.Figures{test.figures}}),
		}}
		criteria := tab.criteria()
		at := slices.IndexFunc(criteria, func(b criterion) bool { return b.what == separateNodes[0].words+": delivered per second" })
		if at < 0 || criteria[at].met != test.rate || criteria[at+1].met != test.latency || criteria[at+2].met != test.costs {
			t.Errorf("%s: %+v", test.because, criteria[max(at, 0):][:3])
		}
	}
}

// A row without a measurement has a dash and no verdict, and nothing divides by it.
func TestRowsThatAreNotMeasured(t *testing.T) {
	tab := &table{results: map[string]*result{}}
	for _, b := range tab.criteria() {
		if b.met || b.found != "" && b.found != "not implemented yet" {
			t.Errorf("%+v", b)
		}
	}
	if text := tab.text(); strings.Contains(text, "NaN") || strings.Contains(text, "met |") {
		t.Error(text)
	}
}

// The median of three runs is the middle value of each figure, and losses are added up.
func TestMedianOfRuns(t *testing.T) {
	a, b, c := figures(1, 30), figures(3, 10), figures(2, 20)
	a.Lost, c.Lost, b.Arrival.P99 = 1, 2, time.Second
	tab := &table{results: map[string]*result{"x": {Runs: []bench.Report{
		{Contestants: []bench.Contestant{{Name: "service", Runs: []bench.Figures{a, b}}}},
		{Contestants: []bench.Contestant{{Name: "service", Runs: []bench.Figures{c}}}},
	}}}}
	f, ok := tab.of("x", "service")
	if !ok || f.DeliveredRate != 2 || f.CPU() != 20 || f.Lost != 3 || f.Arrival.P99 != 0 {
		t.Errorf("%v %+v", ok, f)
	}
}

// The committed report must match the committed data, and its plots must be images.
func TestReportFollowsFromItsData(t *testing.T) {
	tab := &table{}
	docs := filepath.Join("..", "..", "..", "docs")
	if err := tab.load(filepath.Join(docs, "performance.json")); err != nil {
		t.Fatal(err)
	}
	if len(tab.results) == 0 {
		t.Fatal("performance.json has no data")
	}
	dir := t.TempDir()
	if err := tab.save(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"performance.md", "performance-cpu.svg", "performance-latency.svg"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what performance.json says: run `make bench ROWS=none`", name)
		}
		if strings.HasSuffix(name, ".svg") {
			isPicture(t, name, string(want))
		}
	}
}

func isPicture(t *testing.T, name, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s, ok := token.(xml.StartElement); ok {
			for _, a := range s.Attr {
				if a.Name.Local == "width" && strings.HasPrefix(a.Value, "-") {
					t.Errorf("%s has a bar of the width %s", name, a.Value)
				}
			}
		}
	}
}

func TestDataOfAnotherRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance.json")
	text, err := json.Marshal(map[string]any{"x": map[string]any{"command": "y", "more": 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	tab := &table{}
	if err := tab.load(path); err != nil || tab.results["x"].Command != "y" {
		t.Errorf("%v %+v", err, tab.results)
	}
}
