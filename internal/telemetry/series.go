package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const namespace = "hookferry"

// Classic buckets, in seconds, for a Prometheus that does not scrape native histograms. Each
// histogram has both.
var (
	upToAMinute = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	upToAnHour  = append(upToAMinute[:len(upToAMinute):len(upToAMinute)], 300, 900, 3600)
)

func counter(r *prometheus.Registry, name, help string) prometheus.Counter {
	return add(r, prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}))
}

func counterVec(r *prometheus.Registry, name, help, label string) *prometheus.CounterVec {
	return add(r, prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{label}))
}

func gauge(r *prometheus.Registry, name, help string) prometheus.Gauge {
	return add(r, prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}))
}

func histogram(r *prometheus.Registry, name, help string, buckets []float64) prometheus.Histogram {
	return add(r, prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help,
		Buckets: buckets,
		// Native buckets, each 10 % wider than the previous one. The limits keep the memory of a
		// histogram at a few KiB, whatever is observed.
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}))
}

// add registers the collector. It panics if two have the same name: every start would find that
// bug.
func add[C prometheus.Collector](r *prometheus.Registry, c C) C {
	r.MustRegister(c)
	return c
}
