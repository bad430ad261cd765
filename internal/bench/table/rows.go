package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/bench"
)

// group is a set of rows that are measured together.
type group struct {
	name    string
	measure func(ctx context.Context, t *table) error
}

// groups are in the order of the file.
var groups = []group{
	{"throughput", throughput},
	{"latency", latency},
	{"overload", overload},
	{"isolation", isolation},
	{"workers", workers},
	{"backlog", backlog},
	{"retained", retained},
	{"horizon", horizon},
}

func groupNames() []string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.name
	}
	return names
}

var stores = []store{onSQLite, onPostgres}

// fullLoad is the duration of the full load. It is long because PostgreSQL gathers statistics about
// a partition a minute after the first write, and then plans again, and because a backlog takes
// time to build up.
const fullLoad = "60s"

// separateNodes are the rows with the API and the workers in separate processes. most is the limit for
// PostgreSQL's CPU time per delivery, in microseconds.
var separateNodes = []struct {
	name, words string
	on          store
	workers     string
	most        float64
}{
	{"full PostgreSQL and Redis", "PostgreSQL and Redis, API and worker apart", onRedis, "1", 80},
	{"full PostgreSQL and Redis, two workers", "PostgreSQL and Redis, API and two workers", onRedis, "2", 80},
	{"claims", "PostgreSQL without Redis, API and worker apart", onPostgres, "1", 150},
	{"claims, two workers", "PostgreSQL without Redis, API and two workers", onPostgres, "2", 150},
}

func throughput(ctx context.Context, t *table) error {
	t.forget("full SQLite", "full PostgreSQL")
	for _, a := range separateNodes {
		t.forget(a.name)
	}
	for range t.rounds {
		if err := t.bench(ctx, "full SQLite", onSQLite, nil, "--duration", fullLoad, "--relay"); err != nil {
			return err
		}
		if err := t.bench(ctx, "full PostgreSQL", onPostgres, nil, "--duration", fullLoad); err != nil {
			return err
		}
		for _, a := range separateNodes {
			if err := t.bench(ctx, a.name, a.on, nil, "--duration", fullLoad, "--workers", a.workers); err != nil {
				return err
			}
		}
	}
	return nil
}

func latency(ctx context.Context, t *table) error {
	for _, on := range stores {
		t.forget("2000/s "+string(on), "half "+string(on), "lone "+string(on))
		full, ok := t.of("full "+string(on), "service")
		if !ok {
			return fmt.Errorf("half the full rate on %s needs the throughput rows first", on)
		}
		for range 3 {
			for name, args := range map[string][]string{
				"2000/s": {"--rate", "2000"},
				"half":   {"--rate", fmt.Sprintf("%.0f", full.DeliveredRate/2)},
				"lone":   {"--connections", "1", "--rate", "20", "--warmup", "0s"},
			} {
				if err := t.bench(ctx, name+" "+string(on), on, nil, append(args, "--duration", "4s")...); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// overload exceeds what the machine can do, with too many connections and with too high a rate.
func overload(ctx context.Context, t *table) error {
	for _, on := range stores {
		t.forget("crowd "+string(on), "flood "+string(on))
		full, ok := t.of("full "+string(on), "service")
		if !ok {
			return fmt.Errorf("overload on %s needs the throughput rows first", on)
		}
		if err := t.bench(ctx, "crowd "+string(on), on, nil, "--connections", "512", "--duration", fullLoad); err != nil {
			return err
		}
		rate := fmt.Sprintf("%.0f", 1.5*full.DeliveredRate)
		if err := t.bench(ctx, "flood "+string(on), on, nil, "--connections", "256", "--rate", rate, "--duration", fullLoad); err != nil {
			return err
		}
	}
	return nil
}

// isolation compares the healthy endpoints with and without bad ones.
func isolation(ctx context.Context, t *table) error {
	for _, on := range stores {
		for _, n := range []string{"nine", "nine and one hangs", "800", "800 and 200 bad"} {
			t.forget(n + " " + string(on))
		}
		for range 3 {
			if err := t.bench(ctx, "nine "+string(on), on, nil, "--subscriptions", "10", "--rate", "500", "--duration", "4s"); err != nil {
				return err
			}
			if err := t.bench(ctx, "nine and one hangs "+string(on), on, nil, "--subscriptions", "10", "--hanging", "1", "--rate", "500", "--duration", "4s"); err != nil {
				return err
			}
		}
		for range 3 {
			if err := t.bench(ctx, "800 "+string(on), on, nil, "--subscriptions", "1000", "--rate", "500", "--duration", "8s"); err != nil {
				return err
			}
			if err := t.bench(ctx, "800 and 200 bad "+string(on), on, nil, "--subscriptions", "1000", "--hanging", "100", "--slow", "100", "--rate", "500", "--duration", "8s"); err != nil {
				return err
			}
		}
	}
	return nil
}

// workers makes a worker's attempts in flight the limit, instead of the machine.
func workers(ctx context.Context, t *table) error {
	t.forget("one worker", "two workers")
	args := []string{"--subscriptions", "40", "--slow", "39", "--slow-for", "50ms", "--rate", "1500", "--duration", "5s", "--warmup", "0s"}
	for range 3 {
		for n, name := range map[string]string{"1": "one worker", "2": "two workers"} {
			if err := t.bench(ctx, name, onRedis, []string{"HOOKFERRY_MAX_IN_FLIGHT=32"}, append(args, "--workers", n)...); err != nil {
				return err
			}
		}
	}
	return nil
}

func backlog(ctx context.Context, t *table) error {
	for _, on := range stores {
		t.forget("backlog " + string(on))
		if err := t.bench(ctx, "backlog "+string(on), on, nil, "--backlog", fmt.Sprint(t.backlog)); err != nil {
			return err
		}
	}
	return nil
}

func retained(ctx context.Context, t *table) error {
	for _, on := range stores {
		t.forget("retained "+string(on), "not retained "+string(on))
		if err := t.bench(ctx, "not retained "+string(on), on, nil, "--duration", "10s"); err != nil {
			return err
		}
		if err := t.bench(ctx, "retained "+string(on), on, nil, "--duration", "10s", "--retained", fmt.Sprint(t.retained), "--retained-subscriptions", fmt.Sprint(t.retained/100)); err != nil {
			return err
		}
	}
	return nil
}

// criterion is one row of the table: the target and the result. The result is "" if it has not been
// measured.
type criterion struct {
	what, wanted string
	found        string
	met          bool
}

// criteria returns all rows, from the measured data.
func (t *table) criteria() []criterion {
	var all []criterion
	add := func(what, wanted string, of func() (string, bool), needs ...string) {
		b := criterion{what: what, wanted: wanted}
		for _, n := range needs {
			if t.results[n] == nil {
				all = append(all, b)
				return
			}
		}
		b.found, b.met = of()
		all = append(all, b)
	}
	service := func(name string) bench.Figures { f, _ := t.of(name, "service"); return f }
	relay := func() bench.Figures { f, _ := t.of("full SQLite", "relay"); return f }
	against := func(name string, most, least float64) {
		add(name[len("full "):]+": CPU per delivery", fmt.Sprintf("≤ %.1f × the relay's", most), func() (string, bool) {
			ratio := service(name).CPU() / relay().CPU()
			return fmt.Sprintf("%.1f µs and %.1f µs: %.2f ×", service(name).CPU(), relay().CPU(), ratio), ratio <= most
		}, name, "full SQLite")
		add(name[len("full "):]+": delivered per second", fmt.Sprintf("≥ %.2f × the relay's", least), func() (string, bool) {
			ratio := service(name).DeliveredRate / relay().DeliveredRate
			return fmt.Sprintf("%.0f and %.0f: %.2f ×", service(name).DeliveredRate, relay().DeliveredRate, ratio), ratio >= least
		}, name, "full SQLite")
	}
	against("full SQLite", 1.2, 0.80)
	against("full PostgreSQL", 1.8, 0.65)
	for _, a := range separateNodes {
		add(a.words+": delivered per second", "≥ 0.9 × the single node's", func() (string, bool) {
			several, one := service(a.name), service("full PostgreSQL").DeliveredRate
			return fmt.Sprintf("%.0f and %.0f: %.2f ×; %.0f accepted", several.DeliveredRate, one, several.DeliveredRate/one, several.AcceptedRate), several.DeliveredRate >= 0.9*one
		}, a.name, "full PostgreSQL")
		add("the same, 202 to endpoint, p99", "≤ 1 s", func() (string, bool) {
			q := service(a.name).Queued
			return fmt.Sprintf("%s (max %s)", millis(q.P99), millis(q.Max)), q.P99 <= time.Second
		}, a.name)
		add("the same, PostgreSQL's CPU per delivery", fmt.Sprintf("≤ %.0f µs", a.most), func() (string, bool) {
			cost := used(service(a.name), "postgres").PerDelivery
			return fmt.Sprintf("%.1f µs", cost), cost <= a.most
		}, a.name)
	}
	all = append(all, criterion{what: "Events published in batches of 100", wanted: "≥ 1.5 × and 1.3 × the relay", found: "not implemented yet"})
	for _, on := range stores {
		add(string(on)+": POST to endpoint at 2,000/s, p50 · p99", "≤ 1 · ≤ 5 ms", func() (string, bool) {
			l := service("2000/s " + string(on)).Arrival
			return millis(l.P50) + " · " + millis(l.P99), l.P50 <= time.Millisecond && l.P99 <= 5*time.Millisecond
		}, "2000/s "+string(on))
		add(string(on)+": the same at half the full rate", "≤ 3 · ≤ 15 ms", func() (string, bool) {
			f := service("half " + string(on))
			return fmt.Sprintf("%s · %s at %.0f/s", millis(f.Arrival.P50), millis(f.Arrival.P99), f.DeliveredRate), f.Arrival.P50 <= 3*time.Millisecond && f.Arrival.P99 <= 15*time.Millisecond
		}, "half "+string(on))
		add(string(on)+": a lone event, POST to endpoint, p50", "≤ a disk sync + 1 ms", func() (string, bool) {
			f, sync := service("lone "+string(on)), t.results["lone "+string(on)].Machine.DiskSync
			return fmt.Sprintf("%s; a sync is %s", millis(f.Arrival.P50), millis(sync)), f.Arrival.P50 <= sync+time.Millisecond
		}, "lone "+string(on))
		for _, load := range []struct{ name, words string }{{"crowd", "512 connections"}, {"flood", "1.5 × the full rate"}} {
			add(fmt.Sprintf("%s: 202 to endpoint under overload (%s), max", on, load.words), "≤ 1 s", func() (string, bool) {
				f := service(load.name + " " + string(on))
				return fmt.Sprintf("%s (p99 %s); %d refused", millis(f.Queued.Max), millis(f.Queued.P99), f.Refused["429"]), f.Queued.Max <= time.Second
			}, load.name+" "+string(on))
		}
		add(string(on)+": ten endpoints, one hangs, 500/s: p99 of the nine", "≤ 1.2 × without it", func() (string, bool) {
			return compared(service("nine and one hangs "+string(on)), service("nine "+string(on)), 1.2)
		}, "nine and one hangs "+string(on), "nine "+string(on))
		add(string(on)+": 1,000 endpoints, 100 hang, 100 respond after 2 s: p99 of the others", "≤ 1.2 × without them", func() (string, bool) {
			bad := service("800 and 200 bad " + string(on))
			text, met := compared(bad, service("800 "+string(on)), 1.2)
			return fmt.Sprintf("%s; max %d MB", text, bad.Used[0].Most>>20), met
		}, "800 and 200 bad "+string(on), "800 "+string(on))
		add(fmt.Sprintf("%s: backlog of %d drained", on, t.filled("backlog "+string(on)).Backlog), "≥ 0.7 × the rate without a backlog", func() (string, bool) {
			b, live := service("backlog "+string(on)), service("full "+string(on)).DeliveredRate
			return fmt.Sprintf("%.0f/s: %.2f ×, max %d MB", b.DeliveredRate, b.DeliveredRate/live, b.Used[0].Most>>20), b.DeliveredRate >= 0.7*live
		}, "backlog "+string(on), "full "+string(on))
		kept := t.filled("retained " + string(on))
		add(fmt.Sprintf("%s: %d retained deliveries of %d subscriptions: delivered per second", on, kept.Retained, kept.Subscriptions), "≥ 0.9 × the rate of an empty database", func() (string, bool) {
			full, empty := service("retained "+string(on)).DeliveredRate, service("not retained "+string(on)).DeliveredRate
			return fmt.Sprintf("%.0f and %.0f: %.2f ×", full, empty, full/empty), full >= 0.9*empty
		}, "retained "+string(on), "not retained "+string(on))
		add(string(on)+": status queries at the same time, p99", "≤ 10 ms", func() (string, bool) {
			f := service("retained " + string(on))
			return fmt.Sprintf("%s of %d", millis(f.Query.P99), f.Queries), f.Query.P99 <= 10*time.Millisecond && f.QueriesFailed == 0
		}, "retained "+string(on))
	}
	t.addHorizon(add)
	all = append(all, criterion{what: "One event to 10,000 subscriptions", wanted: "one transaction ≤ 1 s", found: "not implemented yet"})
	add("Memory, at start · under full load (SQLite)", "≤ 30 · ≤ 100 MB", func() (string, bool) {
		f := service("full SQLite")
		return fmt.Sprintf("%d · %d MB", f.Fresh>>20, f.Used[0].Most>>20), f.Fresh <= 30<<20 && f.Used[0].Most <= 100<<20
	}, "full SQLite")
	add("Start to first accepted event (SQLite, new database)", "≤ 150 ms", func() (string, bool) {
		f := service("full SQLite")
		return millis(f.Started), f.Started <= 150*time.Millisecond
	}, "full SQLite")
	add("Two workers compared with one, limited by their attempts in flight", "≥ 1.8 ×", func() (string, bool) {
		one, two := service("one worker").DeliveredRate, service("two workers").DeliveredRate
		return fmt.Sprintf("%.0f and %.0f: %.2f ×", two, one, two/one), two >= 1.8*one
	}, "one worker", "two workers")
	return all
}

// addHorizon adds the rows in which other sessions hold old snapshots of PostgreSQL.
func (t *table) addHorizon(add func(what, wanted string, of func() (string, bool), needs ...string)) {
	for _, h := range []struct{ name, words string }{
		{"pinned", "another transaction stays open for ten minutes"},
		{"pinned at last", "the minute after that, with the transaction still open"},
		{"free again", "the minute after it has ended"},
		{"four long readers", "four readers with old snapshots"},
	} {
		add("PostgreSQL, "+h.words+": delivered per second · p99", "≥ 0.9 × · ≤ 2 × without it", func() (string, bool) {
			f, _ := t.of("horizon: "+h.name, "service")
			free, _ := t.of("horizon: free", "service")
			rate, p99 := f.DeliveredRate/free.DeliveredRate, float64(f.Arrival.P99)/float64(free.Arrival.P99)
			return fmt.Sprintf("%.0f and %.0f: %.2f × · %s and %s: %.2f ×", f.DeliveredRate, free.DeliveredRate, rate,
				millis(f.Arrival.P99), millis(free.Arrival.P99), p99), rate >= 0.9 && p99 <= 2
		}, "horizon: "+h.name, "horizon: free")
	}
}

func (t *table) filled(name string) bench.Fill {
	if r := t.results[name]; r != nil {
		return r.Runs[0].Fill
	}
	return bench.Fill{}
}

// compared returns the p99 of the healthy endpoints with and without bad ones.
func compared(with, without bench.Figures, most float64) (string, bool) {
	ratio := float64(with.Arrival.P99) / float64(without.Arrival.P99)
	return fmt.Sprintf("%s and %s: %.2f ×", millis(with.Arrival.P99), millis(without.Arrival.P99), ratio), ratio <= most
}

func used(f bench.Figures, name string) bench.Used {
	for _, u := range f.Used {
		if u.Name == name {
			return u
		}
	}
	return bench.Used{}
}

func millis(d time.Duration) string {
	if d >= 100*time.Millisecond {
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.2f ms", d.Seconds()*1000)
}
