package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	depthFresh   = time.Second     // so long a reading serves everybody who scrapes
	depthTimeout = 2 * time.Second // so long a scrape waits for the store
)

// depthReader asks for the queue's depth in its own goroutine, at most one at a
// time, so that a store that hangs costs a scrape two seconds at most, and the
// scrapes after it nothing.
type depthReader struct {
	read func(context.Context) (event.Depth, error)

	mu   sync.Mutex
	last reading
	// Of the read that is under way; done is nil if there is none.
	done     chan struct{}
	deadline time.Time
}

type reading struct {
	depth event.Depth
	err   error
	at    time.Time
}

// get returns the depth, and whether the store told it in time.
func (r *depthReader) get() (event.Depth, bool) {
	r.mu.Lock()
	if !r.last.at.IsZero() && time.Since(r.last.at) < depthFresh {
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

// start begins a read; mu is held.
func (r *depthReader) start() {
	done := make(chan struct{})
	r.done, r.deadline = done, time.Now().Add(depthTimeout)
	ctx, cancel := context.WithDeadline(context.Background(), r.deadline)
	go func() {
		defer cancel()
		depth, err := r.read(ctx)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last, r.done = reading{depth, err, time.Now()}, nil
		close(done)
	}()
}

// depthCollector shows what the reader read. While the store does not answer it
// shows only that: an old number would hide the trouble.
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
		up:        desc("store_up", "1 if the store told what is pending when these metrics were read, 0 if it failed or took too long."),
		pending:   desc("deliveries_pending", "Deliveries that are not settled."),
		leased:    desc("deliveries_leased", "Pending deliveries that a node holds."),
		due:       desc("deliveries_due", "Pending deliveries that are due and held by no node."),
		oldestDue: desc("oldest_due_seconds", "For how long the oldest of the deliveries due has been so."),
	}
}

// Describe is part of prometheus.Collector.
func (c *depthCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.pending, c.leased, c.due, c.oldestDue} {
		descs <- d
	}
}

// Collect is part of prometheus.Collector.
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
