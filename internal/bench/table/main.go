// Command table measures every row of docs/performance.md with `hookferry bench`, on SQLite and on
// a PostgreSQL and a Redis that it starts itself. It writes the file with its plots and data. It is
// not shipped: `make bench` runs it.
//
// Start with main, then read rows.go for what is measured.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/bench"
	"github.com/hookferry/hookferry/internal/test/pgtest"
	"github.com/hookferry/hookferry/internal/test/redistest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	t := &table{}
	var out, only string
	flag.StringVar(&t.program, "program", "bin/hookferry", "the hookferry to measure")
	flag.StringVar(&out, "out", "docs", "directory of performance.md, its plots and performance.json")
	flag.StringVar(&only, "rows", "", "groups of rows to measure, separated by commas; the others keep their data in performance.json. Default: all of "+strings.Join(groupNames(), ", "))
	flag.IntVar(&t.rounds, "rounds", 3, "interleaved rounds of the throughput rows")
	flag.IntVar(&t.retained, "retained", 1_000_000, "number of settled deliveries for the rows with retained deliveries")
	flag.IntVar(&t.backlog, "backlog", 1_000_000, "number of due deliveries for the rows that drain a backlog")
	flag.DurationVar(&t.pinned, "pinned", 10*time.Minute, "how long another transaction holds PostgreSQL's vacuum back")
	flag.Parse()
	if err := t.load(out + "/performance.json"); err != nil {
		return err
	}
	wanted := groupNames()
	if only != "" {
		wanted = strings.Split(only, ",")
	}
	for _, name := range wanted {
		if name != "none" && !slices.Contains(groupNames(), name) {
			return fmt.Errorf("-rows contains %q; use %s, or none to only write the report again", name, strings.Join(groupNames(), ", "))
		}
	}
	if only == "none" {
		return t.save(out)
	}
	if err := t.servers(); err != nil {
		return err
	}
	defer t.close()
	for _, g := range groups {
		if !slices.Contains(wanted, g.name) {
			continue
		}
		begun := time.Now()
		if err := g.measure(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: measured in %v\n", g.name, time.Since(begun).Round(time.Second))
		if err := t.save(out); err != nil { // keeps what is measured, if the next group fails
			return err
		}
	}
	return nil
}

// table contains the measured data, by the name of a scenario.
type table struct {
	program           string
	rounds            int
	retained, backlog int
	pinned            time.Duration

	postgres *pgtest.Server
	database string // if "", each run gets a new one
	redis    *redistest.Server
	results  map[string]*result
}

// result contains all runs of one scenario.
type result struct {
	Command string         `json:"command"`
	Machine bench.Machine  `json:"machine"`
	Runs    []bench.Report `json:"runs"`
}

// load reads earlier measurements.
func (t *table) load(path string) error {
	t.results = map[string]*result{}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &t.results)
}

func (t *table) servers() (err error) {
	if t.postgres, err = pgtest.Start("fsync=on"); err != nil {
		return err
	}
	if t.redis, err = redistest.Start(); err != nil {
		t.postgres.Remove()
	}
	return err
}

func (t *table) close() {
	t.redis.Remove()
	t.postgres.Remove()
}

// store is the storage of a scenario.
type store string

const (
	onSQLite   store = "SQLite"
	onPostgres store = "PostgreSQL"
	onRedis    store = "PostgreSQL and Redis"
)

// bench runs `hookferry bench` once and adds the result to the scenario.
func (t *table) bench(ctx context.Context, name string, on store, env []string, args ...string) error {
	shown := strings.Join(append([]string{"hookferry bench"}, args...), " ")
	for _, e := range slices.Backward(env) {
		shown = e + " " + shown
	}
	cmd := exec.CommandContext(ctx, t.program, append([]string{"bench", "--json"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	if on != onSQLite {
		database := t.database
		if database == "" {
			var err error
			if database, err = t.postgres.Create(ctx, ""); err != nil {
				return err
			}
			defer t.postgres.Drop(context.WithoutCancel(ctx), database)
		}
		cmd.Env = append(cmd.Env, "DATABASE_URL="+t.postgres.URL(database))
		cmd.Args = append(cmd.Args, "--pid", fmt.Sprintf("postgres=%d", t.postgres.Pid()))
		shown = "DATABASE_URL=… " + shown + " --pid postgres=…"
	}
	if on == onRedis {
		if _, err := t.redis.Do("FLUSHALL"); err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, "REDIS_URL="+t.redis.URL())
		cmd.Args = append(cmd.Args, "--pid", fmt.Sprintf("redis=%d", t.redis.Pid()))
		shown = "REDIS_URL=… " + shown + " --pid redis=…"
	}
	var failure bytes.Buffer
	cmd.Stderr = &failure
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", shown, err, failure.String())
	}
	var r bench.Report
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	if t.results[name] == nil {
		t.results[name] = &result{}
	}
	s := t.results[name]
	s.Command, s.Machine, s.Runs = shown, r.Machine, append(s.Runs, r)
	m := r.Contestants[len(r.Contestants)-1].Median()
	fmt.Fprintf(os.Stderr, "  %s: %.0f/s, %.1f µs, POST to endpoint %v / %v\n", name, m.DeliveredRate, m.CPU(), m.Arrival.P50, m.Arrival.P99)
	return nil
}

// forget removes earlier measurements with these names.
func (t *table) forget(names ...string) {
	for _, name := range names {
		delete(t.results, name)
	}
}

// of returns the median of a scenario's runs, for the service or the relay.
func (t *table) of(name, contestant string) (bench.Figures, bool) {
	r := t.results[name]
	if r == nil {
		return bench.Figures{}, false
	}
	var c bench.Contestant
	for _, run := range r.Runs {
		for _, each := range run.Contestants {
			if each.Name == contestant {
				c.Runs = append(c.Runs, each.Runs...)
			}
		}
	}
	if len(c.Runs) == 0 {
		return bench.Figures{}, false
	}
	return c.Median(), true
}
