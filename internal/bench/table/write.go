package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hookferry/hookferry/internal/bench"
)

const preface = "`make bench`" + ` measures and writes this file. A dash means that a row has not been measured yet. The data is in
[performance.json](performance.json).

Absolute figures are valid only for this machine, at the time of the run. Compare the **CPU time per delivery** and the **ratio to
the relay** of the same run. The relay is a net/http server that accepts the same POST, signs it, forwards it with a net/http
client, and stores nothing. The service runs with its defaults, except for ` + "`LOG_LEVEL=WARN`" + `. SQLite runs with
` + "`synchronous=FULL`" + `, and PostgreSQL with its defaults (` + "`fsync`, `synchronous_commit`" + `) and 64 MB of shared buffers. A latency
begins with the first byte of the POST or, in a run with a fixed rate, at the time for which the POST was scheduled. It ends when
the endpoint has read the request, so it includes the commit to disk. CPU time includes all processes of PostgreSQL and Redis.

Unless a row says otherwise, 64 connections publish events of 1 KiB to one subscription, each as soon as it gets a response.
Figures are medians of the runs. For a row about retained deliveries, the database is first filled with deliveries that have
payloads of 34 bytes, in turn for 1,000 subscriptions at a time. PostgreSQL then runs a vacuum, updates its statistics and writes
a checkpoint, which it otherwise does some time later.

`

// save writes the data, the plots and the text.
func (t *table) save(dir string) error {
	data, err := json.MarshalIndent(t.results, "", " ")
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"performance.json":        string(data) + "\n",
		"performance.md":          t.text(),
		"performance-cpu.svg":     t.cpuPlot(),
		"performance-latency.svg": t.latencyPlot(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// headline returns the figures that most readers look for, or "" if they are not measured yet.
func (t *table) headline() string {
	relay, measured := t.of("full SQLite", "relay")
	if !measured {
		return ""
	}
	var b strings.Builder
	for _, on := range stores {
		full, _ := t.of("full "+string(on), "service")
		calm, _ := t.of("2000/s "+string(on), "service")
		fmt.Fprintf(&b, "On %s, one process delivers **%s events per second**, and commits each to disk before it accepts it.\n", on, thousands(full.DeliveredRate))
		fmt.Fprintf(&b, "At 2,000 per second, an event takes %s (p50) or %s (p99) from its POST to the endpoint.\n", millis(calm.Arrival.P50), millis(calm.Arrival.P99))
	}
	m := t.results["full SQLite"].Machine
	fmt.Fprintf(&b, "The machine has %d CPUs (%s), which the load generator, the endpoints and the database share. On it, a relay that stores\nnothing delivers %s per second. A disk sync of 4 KiB takes %s.\n\n",
		m.CPUs, m.CPU, thousands(relay.DeliveredRate), millis(m.DiskSync))
	return b.String()
}

// thousands is a number with a comma.
func thousands(n float64) string {
	whole := int(math.Round(n))
	if whole < 1000 {
		return fmt.Sprint(whole)
	}
	return fmt.Sprintf("%d,%03d", whole/1000, whole%1000)
}

func (t *table) text() string {
	var b strings.Builder
	b.WriteString("# Performance\n\n" + t.headline() + preface)
	b.WriteString("## Targets and results\n\n| | target | result | |\n|---|---|---|---|\n")
	for _, r := range t.criteria() {
		verdict := ""
		switch {
		case r.found == "":
			r.found = "–"
		case r.met:
			verdict = "met"
		case !strings.HasPrefix(r.found, "not implemented"):
			verdict = "**not met**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, r.wanted, r.found, verdict)
	}
	b.WriteString("\n![CPU time per delivery](performance-cpu.svg)\n\n![POST to endpoint](performance-latency.svg)\n\n## All scenarios\n\n")
	b.WriteString("Rates are deliveries per second. Latencies are from the POST to the endpoint, p50 · p99 · max.\nThe [commands](#commands) below show what each scenario does.\n\n")
	b.WriteString("| scenario | runs | rate | latency | CPU per delivery | max memory | lost · duplicates |\n|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(t.results)) {
		for _, who := range []string{"relay", "service"} {
			f, ok := t.of(name, who)
			if !ok {
				continue
			}
			shown := name
			if who == "relay" {
				shown = "relay"
			}
			fmt.Fprintf(&b, "| %s | %d | %.0f | %s · %s · %s | %s | %s | %d · %d |\n", shown, len(t.results[name].Runs), f.DeliveredRate,
				millis(f.Arrival.P50), millis(f.Arrival.P99), millis(f.Arrival.Max),
				each(f, func(u bench.Used) string { return fmt.Sprintf("%.1f µs", u.PerDelivery) }),
				each(f, func(u bench.Used) string { return fmt.Sprintf("%d MB", u.Most>>20) }), f.Lost, f.Duplicates)
		}
	}
	b.WriteString("\n## Commands\n\nEach command prints the same figures for one run. `--json` prints all of them.\n\n```\n")
	for _, name := range slices.Sorted(maps.Keys(t.results)) {
		fmt.Fprintf(&b, "# %s, %s\n%s\n", name, t.results[name].Machine.Date.Format("2006-01-02"), t.results[name].Command)
	}
	b.WriteString("```\n")
	return b.String()
}

func each(f bench.Figures, of func(bench.Used) string) string {
	var all []string
	for _, u := range f.Used {
		all = append(all, u.Name+" "+of(u))
	}
	return strings.Join(all, ", ")
}
