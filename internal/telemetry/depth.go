package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	depthFresh   = time.Second      // how long scrapes share a reading: at least this,
	depthShare   = 20               // or this many times as long as it took,
	depthPause   = 20 * time.Second // but at most this
	depthTimeout = 2 * time.Second  // how long a scrape waits for the store
)

// depthReader reads the queue's depth in its own goroutine, one reading at a time. If the store
// hangs, it delays one scrape by two seconds at most, and later scrapes not at all.
type depthReader struct {
	read func(context.Context) (event.Depth, error)

	mu   sync.Mutex
	last reading
	// These belong to the read in flight. done is nil if there is none.
	done     chan struct{}
	deadline time.Time
}

type reading struct {
	depth event.Depth
	err   error
	until time.Time // when it is no longer fresh
}

// get returns the depth, and whether the store returned it in time.
func (r *depthReader) get() (event.Depth, bool) {
	r.mu.Lock()
	if time.Now().Before(r.last.until) {
		defer r.mu.Unlock()
		return r.last.depth, r.last.err == nil
	}
	if r.done == nil {
		r.start()
	}
	done, wait := r.done, time.NewTimer(time.Until(r.deadline))
	r.mu.Unlock()
	defer wait.Stop()

	select {
	case <-done:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.last.depth, r.last.err == nil
	case <-wait.C:
		return event.Depth{}, false
	}
}

// start begins a read. The caller holds mu.
func (r *depthReader) start() {
	done := make(chan struct{})
	r.done, r.deadline = done, time.Now().Add(depthTimeout)
	ctx, cancel := context.WithDeadline(context.Background(), r.deadline)
	go func() {
		defer cancel()
		began := time.Now()
		depth, err := r.read(ctx)
		ended := time.Now()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last, r.done = reading{depth, err, ended.Add(max(depthFresh, min(depthShare*ended.Sub(began), depthPause)))}, nil
		close(done)
	}()
}

// depthCollector exports the depth. While the store does not respond, it exports only that fact,
// because old numbers would hide the problem.
type depthCollector struct {
	reader                              *depthReader
	up, pending, leased, due, oldestDue *prometheus.Desc
}

func newDepthCollector(read func(context.Context) (event.Depth, error)) *depthCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, nil, nil)
	}
	return &depthCollector{
		reader:    &depthReader{read: read},
		up:        desc("store_up", "1 if the store could count the pending deliveries for this scrape, 0 if it failed or took too long."),
		pending:   desc("deliveries_pending", "Deliveries that are pending."),
		leased:    desc("deliveries_leased", "Pending deliveries that a node has claimed."),
		due:       desc("deliveries_due", "Pending deliveries that are due and that no node has claimed."),
		oldestDue: desc("oldest_due_seconds", "How long the oldest due delivery has been due."),
	}
}

// Describe implements prometheus.Collector.
func (c *depthCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.pending, c.leased, c.due, c.oldestDue} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *depthCollector) Collect(metrics chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, value float64) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	depth, ok := c.reader.get()
	if !ok {
		show(c.up, 0)
		return
	}
	show(c.up, 1)
	show(c.pending, float64(depth.Pending))
	show(c.leased, float64(depth.Leased))
	show(c.due, float64(depth.Due))
	show(c.oldestDue, depth.OldestDue.Seconds())
}
