package bench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is the result of a measurement.
type Report struct {
	Machine     Machine      `json:"machine"`
	Load        Load         `json:"load"`
	Fill        Fill         `json:"fill"`
	Contestants []Contestant `json:"contestants"`
}

// Machine describes the machine of the measurement.
type Machine struct {
	Date     time.Time     `json:"date"`
	System   string        `json:"system"`
	CPU      string        `json:"cpu"`
	CPUs     int           `json:"cpus"`
	DiskSync time.Duration `json:"disk_sync_ns"` // duration of an fsync of 4 KiB, the median of 51
}

// Contestant is the service or the relay, with the figures of each run.
type Contestant struct {
	Name string    `json:"name"`
	Runs []Figures `json:"runs"`
}

// Figures are the results of one run. Delivered counts each event once, and only events for
// endpoints that accept them.
type Figures struct {
	Accepted      int            `json:"accepted"`
	Delivered     int            `json:"delivered"`
	Requests      int            `json:"requests"` // at all endpoints, including repeated requests
	AcceptedRate  float64        `json:"accepted_per_second"`
	DeliveredRate float64        `json:"delivered_per_second"`
	Refused       map[string]int `json:"refused"` // by status
	Broken        int            `json:"broken"`  // events without a response
	Lost          int            `json:"lost"`
	Duplicates    int            `json:"duplicates"`
	Accept        Latency        `json:"accept"`          // from POST to 202
	Arrival       Latency        `json:"arrival"`         // from POST to the arrival at an endpoint that responds at once
	Queued        Latency        `json:"queued"`          // from the 202 to that arrival; 0 if it arrived earlier
	Fresh         int64          `json:"rss_fresh_bytes"` // memory of the service before the first load
	Used          []Used         `json:"used"`
	Bench         float64        `json:"bench_cpu_us_per_delivery"`
	Started       time.Duration  `json:"started_ns"` // from the start of the process to its first 202
	Queries       int            `json:"queries"`
	QueriesFailed int            `json:"queries_failed"`
	Query         Latency        `json:"query"`
}

func (l *ledger) figures() Figures {
	f := Figures{
		Accepted: int(l.accept.total()), Delivered: int(l.arrivedCount.Load()), Requests: int(l.requests.Load()),
		Refused: map[string]int{}, Broken: int(l.broken.Load()),
		Lost: l.lost(), Duplicates: int(l.duplicates.Load()),
		Accept: l.accept.latency(), Arrival: l.arrival.latency(), Queued: l.queued.latency(),
	}
	f.AcceptedRate = rate(int64(f.Accepted), l.lastAccepted.Load())
	f.DeliveredRate = rate(l.arrivedCount.Load(), l.lastArrival.Load())
	for status := range l.refused {
		if n := l.refused[status].Load(); n > 0 {
			f.Refused[fmt.Sprint(status)] = int(n)
		}
	}
	return f
}

func rate(n, nanoseconds int64) float64 {
	if nanoseconds == 0 {
		return 0
	}
	return float64(n) / (float64(nanoseconds) / 1e9)
}

func perDelivery(d time.Duration, deliveries int64) float64 {
	if deliveries == 0 {
		return 0
	}
	return float64(d.Nanoseconds()) / 1000 / float64(deliveries)
}

// Median returns the median of each figure.
func (c Contestant) Median() Figures {
	f := c.Runs[0]
	f.AcceptedRate = median(c.Runs, func(f Figures) float64 { return f.AcceptedRate })
	f.DeliveredRate = median(c.Runs, func(f Figures) float64 { return f.DeliveredRate })
	f.Bench = median(c.Runs, func(f Figures) float64 { return f.Bench })
	f.Started = median(c.Runs, func(f Figures) time.Duration { return f.Started })
	f.Accept = medianLatency(c.Runs, func(f Figures) Latency { return f.Accept })
	f.Arrival = medianLatency(c.Runs, func(f Figures) Latency { return f.Arrival })
	f.Queued = medianLatency(c.Runs, func(f Figures) Latency { return f.Queued })
	f.Fresh = median(c.Runs, func(f Figures) int64 { return f.Fresh })
	f.Query = medianLatency(c.Runs, func(f Figures) Latency { return f.Query })
	f.Used = slices.Clone(f.Used)
	for i := range f.Used {
		f.Used[i].CPU = median(c.Runs, func(f Figures) time.Duration { return f.Used[i].CPU })
		f.Used[i].PerDelivery = median(c.Runs, func(f Figures) float64 { return f.Used[i].PerDelivery })
		f.Used[i].Idle = median(c.Runs, func(f Figures) int64 { return f.Used[i].Idle })
		f.Used[i].Most = median(c.Runs, func(f Figures) int64 { return f.Used[i].Most })
	}
	f.Refused = map[string]int{}
	for _, name := range []*int{&f.Accepted, &f.Delivered, &f.Requests, &f.Lost, &f.Duplicates, &f.Broken, &f.Queries, &f.QueriesFailed} {
		*name = 0
	}
	for _, r := range c.Runs { // counts are added up
		f.Accepted, f.Delivered, f.Requests = f.Accepted+r.Accepted, f.Delivered+r.Delivered, f.Requests+r.Requests
		f.Lost, f.Duplicates, f.Broken = f.Lost+r.Lost, f.Duplicates+r.Duplicates, f.Broken+r.Broken
		f.Queries, f.QueriesFailed = f.Queries+r.Queries, f.QueriesFailed+r.QueriesFailed
		for status, n := range r.Refused {
			f.Refused[status] += n
		}
	}
	return f
}

func median[T cmp.Ordered](runs []Figures, of func(Figures) T) T {
	values := make([]T, len(runs))
	for i, f := range runs {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func medianLatency(runs []Figures, of func(Figures) Latency) Latency {
	each := func(value func(Latency) time.Duration) time.Duration {
		return median(runs, func(f Figures) time.Duration { return value(of(f)) })
	}
	return Latency{
		P50: each(func(l Latency) time.Duration { return l.P50 }), P90: each(func(l Latency) time.Duration { return l.P90 }),
		P99: each(func(l Latency) time.Duration { return l.P99 }), P999: each(func(l Latency) time.Duration { return l.P999 }),
		Max: each(func(l Latency) time.Duration { return l.Max }),
	}
}

// CPU returns the CPU time of all processes for one delivery, in microseconds.
func (f Figures) CPU() (us float64) {
	for _, u := range f.Used {
		us += u.PerDelivery
	}
	return us
}

// Print prints the report for people.
func (r Report) Print(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d CPUs (%s); a disk sync takes %s\n\n", m.System, m.CPUs, m.CPU, ms(m.DiskSync))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, of func(Figures) string) {
		cells := []string{name}
		for _, c := range r.Contestants {
			cells = append(cells, of(c.Median()))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	names := []string{""}
	for _, c := range r.Contestants {
		names = append(names, c.Name)
	}
	fmt.Fprintln(t, strings.Join(names, "\t"))
	posts := r.Fill.Backlog == 0
	if posts {
		row("accepted per second", func(f Figures) string { return fmt.Sprintf("%.0f", f.AcceptedRate) })
	}
	row("delivered per second", func(f Figures) string { return fmt.Sprintf("%.0f", f.DeliveredRate) })
	if posts {
		row("POST to 202, p50 · p99 · max", func(f Figures) string { return f.Accept.words() })
		row("POST to endpoint, p50 · p99 · max", func(f Figures) string { return f.Arrival.words() })
		row("202 to endpoint, p50 · p99 · max", func(f Figures) string { return f.Queued.words() })
	}
	row("CPU per delivery", func(f Figures) string {
		return words(f.Used, func(u Used) string { return fmt.Sprintf("%.1f µs", u.PerDelivery) })
	})
	row("memory before · max", func(f Figures) string {
		return words(f.Used, func(u Used) string { return fmt.Sprintf("%d · %d MB", u.Idle>>20, u.Most>>20) })
	})
	row("lost · duplicates", func(f Figures) string { return fmt.Sprintf("%d · %d of %d", f.Lost, f.Duplicates, f.Delivered) })
	if posts {
		row("refused · without a response", func(f Figures) string { return fmt.Sprintf("%s · %d", refusals(f.Refused), f.Broken) })
		row("start to first 202", func(f Figures) string { return orNone(f.Started) })
		row("CPU of the bench itself, per delivery", func(f Figures) string { return fmt.Sprintf("%.1f µs", f.Bench) })
	}
	if r.Fill.Retained > 0 {
		row("status query, p50 · p99 · max", func(f Figures) string {
			return fmt.Sprintf("%s (%d, %d failed)", f.Query.words(), f.Queries, f.QueriesFailed)
		})
	}
	t.Flush()
	if len(r.Contestants) == 2 {
		relay, service := r.Contestants[0].Median(), r.Contestants[1].Median()
		fmt.Fprintf(w, "\nCompared with the relay: %.2f × its CPU per delivery, %.2f × its deliveries per second.\n",
			service.CPU()/relay.CPU(), service.DeliveredRate/relay.DeliveredRate)
		fmt.Fprintf(w, "The relay's latency is the wait in its queue: it responds before it delivers, and accepts up to %d events more than its %d workers have delivered. The service slows its clients down instead.\n",
			relayQueue, relayWorkers)
	}
	if !measurable {
		fmt.Fprintln(w, "\nThe CPU time and memory of processes are measured only on Linux.")
	}
}

func words(used []Used, of func(Used) string) string {
	var all []string
	for _, u := range used {
		text := of(u)
		if len(used) > 1 {
			text = u.Name + " " + text
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "– (name a process with --pid)"
	}
	return strings.Join(all, ", ")
}

func refusals(by map[string]int) string {
	if len(by) == 0 {
		return "0"
	}
	var all []string
	for _, status := range slices.Sorted(maps.Keys(by)) {
		all = append(all, fmt.Sprintf("%d with %s", by[status], status))
	}
	return strings.Join(all, ", ")
}

func (l Latency) words() string { return ms(l.P50) + " · " + ms(l.P99) + " · " + ms(l.Max) }

func ms(d time.Duration) string {
	switch v := d.Seconds() * 1000; {
	case v < 10:
		return fmt.Sprintf("%.2f ms", v)
	case v < 100:
		return fmt.Sprintf("%.1f ms", v)
	default:
		return fmt.Sprintf("%.0f ms", v)
	}
}

func orNone(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return ms(d)
}

func thisMachine(dir string) Machine {
	m := Machine{Date: time.Now().UTC(), System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), CPU: "unknown", DiskSync: diskSync(dir)}
	info, _ := os.ReadFile("/proc/cpuinfo")
	if _, after, found := strings.Cut(string(info), "model name"); found {
		name, _, _ := strings.Cut(after, "\n")
		m.CPU = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
	}
	return m
}

// diskSync returns how long it takes to write 4 KiB to disk, or 0 if that fails.
func diskSync(dir string) time.Duration {
	file, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0
	}
	defer os.Remove(file.Name())
	defer file.Close()
	took := make([]time.Duration, 51)
	for i := range took {
		begun := time.Now()
		if _, err := file.Write(make([]byte, 4096)); err != nil || file.Sync() != nil {
			return 0
		}
		took[i] = time.Since(begun)
	}
	slices.Sort(took)
	return took[len(took)/2]
}
