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

const preface = `Measured by ` + "`make bench`" + `, which writes this file; a row that it has not measured yet has a dash. The data are in
performance.json.

Absolute figures hold for one machine and one hour. What can be compared is **CPU time for one delivery** and the **ratio to
the relay** of the same run: net/http's server and client that take the same POST, sign it and post it on, and store nothing.
Generator, receiver, service, database and relay share the same processors. The service runs as shipped, but for
` + "`LOG_LEVEL=WARN`" + `, so that it does not write a line for each attempt; SQLite has ` + "`synchronous=FULL`" + `, PostgreSQL its
defaults (` + "`fsync`, `synchronous_commit`" + `) with 64 MB of shared buffers. A post is counted from its first byte, or with a
rate from when it was to be posted, and an arrival when the receiver has read it; the commit to disk is in between. CPU of
PostgreSQL and Redis is that of all of their processes, and counts.

Unless a row says otherwise: 64 connections that post as fast as they are answered, 1 KiB, one subscription; medians of the runs.
Deliveries that are retained have payloads of 34 bytes and are written in turn for blocks of 1,000 subscriptions. Before
the run PostgreSQL is told to do what it does by itself in time: vacuum, statistics, a checkpoint.

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

// headline is what a reader wants to know first, or "" if it is not measured yet.
func (t *table) headline() string {
	relay, measured := t.of("full SQLite", "relay")
	if !measured {
		return ""
	}
	var b strings.Builder
	for _, on := range stores {
		full, _ := t.of("full "+string(on), "service")
		calm, _ := t.of("2000/s "+string(on), "service")
		fmt.Fprintf(&b, "On %s one process delivers **%s events a second**, each committed to disk before it is accepted.\n", on, thousands(full.DeliveredRate))
		fmt.Fprintf(&b, "At 2,000 a second an event reaches its endpoint %s after its POST began (median; 99 of 100 within %s).\n", millis(calm.Arrival.P50), millis(calm.Arrival.P99))
	}
	m := t.results["full SQLite"].Machine
	fmt.Fprintf(&b, "That is on %d cores (%s) that load generator, endpoint and database share; a relay that stores nothing\ndelivers %s there.\n\n",
		m.CPUs, m.CPU, thousands(relay.DeliveredRate))
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
	b.WriteString("## What was aimed at, and what was found\n\n| | wanted | found | |\n|---|---|---|---|\n")
	for _, r := range t.bars() {
		verdict := ""
		switch {
		case r.found == "":
			r.found = "–"
		case r.met:
			verdict = "met"
		case !strings.HasPrefix(r.found, "not in"):
			verdict = "**not met**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, r.wanted, r.found, verdict)
	}
	b.WriteString("\n![CPU time for one delivery](performance-cpu.svg)\n\n![Post to receiver](performance-latency.svg)\n\n## Each scenario\n\n")
	b.WriteString("Rates are deliveries a second; latencies from the post to the receiver, p50 · p99 · most.\n\n")
	b.WriteString("| scenario | runs | rate | latency | CPU a delivery | memory at most | lost · twice |\n|---|---|---|---|---|---|---|\n")
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
	b.WriteString("\n## Commands\n\nEach prints the same figures for one run; `--json` has all of them.\n\n```\n")
	for _, name := range slices.Sorted(maps.Keys(t.results)) {
		fmt.Fprintf(&b, "# %s, %s\n%s\n", name, t.results[name].Machine.Date.Format("2006-01-02"), t.results[name].Command)
	}
	b.WriteString("```\n")
	for _, name := range slices.Sorted(maps.Keys(t.results)) {
		m := t.results[name].Machine
		fmt.Fprintf(&b, "\nThe machine: %s, %d CPUs (%s), where a disk sync of 4 KiB takes %s.\n", m.System, m.CPUs, m.CPU, millis(m.DiskSync))
		break
	}
	return b.String()
}

func each(f bench.Figures, of func(bench.Used) string) string {
	var all []string
	for _, u := range f.Used {
		all = append(all, u.Name+" "+of(u))
	}
	return strings.Join(all, ", ")
}
