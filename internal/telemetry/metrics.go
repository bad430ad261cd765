package telemetry

import (
	"context"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/hookferry/hookferry/internal/event"
)

// Metrics counts what the service does. Its methods are called for every event and attempt from
// many goroutines, so each series is looked up only once, when it is created.
type Metrics struct {
	registry *prometheus.Registry

	accepted           prometheus.Counter
	filtered           prometheus.Counter
	refused            map[int]prometheus.Counter // by status; 0 is any other
	connectionsRefused prometheus.Counter
	badKeys            map[string]prometheus.Counter // by reason

	attempts        map[event.Code]prometheus.Counter // "" is success
	otherOutcome    prometheus.Counter
	attemptDuration prometheus.Histogram
	inFlight        prometheus.Gauge

	settled       map[event.Status]prometheus.Counter
	toFirst       prometheus.Histogram
	toDelivered   prometheus.Histogram
	commits       prometheus.Counter
	commitRows    prometheus.Counter
	commitSeconds prometheus.Histogram
}

// NewMetrics returns the metrics of one service, in their own registry. depth returns the number of
// pending deliveries; it is called when the metrics are read, at most once a second. If it is nil,
// those gauges are left out.
func NewMetrics(version string, depth func(context.Context) (event.Depth, error)) *Metrics {
	r := prometheus.NewRegistry()
	m := &Metrics{
		registry: r,
		accepted: counter(r, "events_accepted_total", "Events that were accepted and are on disk."),
		filtered: counter(r, "events_filtered_total", "Events whose type their subscription does not want. They are not stored."),

		connectionsRefused: counter(r, "connections_refused_total", "Connections to the API or the admin address that were closed at once because too many were open."),

		attemptDuration: histogram(r, "attempt_duration_seconds", "The duration of an attempt, from its start to the end of the response.", upToAMinute),
		inFlight:        gauge(r, "attempts_in_flight", "Attempts in flight."),

		toFirst:       histogram(r, "accept_to_first_attempt_seconds", "From the event's acceptance to the start of its first attempt.", upToAnHour),
		toDelivered:   histogram(r, "accept_to_delivered_seconds", "From the event's acceptance to the endpoint's 2xx, including retries.", upToAnHour),
		commits:       counter(r, "store_commits_total", "Transactions that the store committed."),
		commitRows:    counter(r, "store_commit_rows_total", "Events and settled attempts that those transactions wrote."),
		commitSeconds: histogram(r, "store_commit_seconds", "The duration of such a transaction, including its sync to disk.", upToAMinute),
	}
	m.resolveRefused(r)
	m.resolveBadKeys(r)
	m.resolveAttempts(r)
	m.resolveSettled(r)
	if depth != nil {
		r.MustRegister(newDepthCollector(depth))
	}
	r.MustRegister(buildInfo(version))
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func buildInfo(version string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1. The labels name the version.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
}

// failureCodes are the values of the label outcome besides "success" and "other". They are fixed,
// so that an endpoint can't create new series.
var failureCodes = []event.Code{
	event.CodeTimeout, event.CodeDNS, event.CodeConnectionRefused, event.CodeConnectionReset,
	event.CodeConnectionClosed, event.CodeUnreachable, event.CodeTLSExpired, event.CodeTLSUntrusted,
	event.CodeTLSWrongHost, event.CodeTLS, event.CodeRedirect, event.CodeGone, event.CodeStatus,
	event.CodeBadResponse, event.CodeBlocked, event.CodeBadTarget, event.CodeDamaged, event.CodeRefusedTooLong, event.CodeNetwork,
}

// refusals are the values of the label status besides "other".
var refusals = []int{400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503, 507}

func (m *Metrics) resolveRefused(r *prometheus.Registry) {
	vec := counterVec(r, "requests_refused_total", "Requests to the API that got a problem response, by its status.", "status")
	m.refused = map[int]prometheus.Counter{0: vec.WithLabelValues("other")}
	for _, status := range refusals {
		m.refused[status] = vec.WithLabelValues(strconv.Itoa(status))
	}
}

// keyRefusals are the reasons for which package api refuses a key.
var keyRefusals = []string{"missing", "unknown", "revoked", "expired", "scope"}

func (m *Metrics) resolveBadKeys(r *prometheus.Registry) {
	vec := counterVec(r, "keys_refused_total", "Requests that were refused because of their API key (401, 403), by reason: the key is missing, unknown, revoked or expired, or its scope does not allow the request.", "reason")
	m.badKeys = map[string]prometheus.Counter{}
	for _, reason := range keyRefusals {
		m.badKeys[reason] = vec.WithLabelValues(reason)
	}
}

func (m *Metrics) resolveAttempts(r *prometheus.Registry) {
	vec := counterVec(r, "attempts_total", "Attempts by outcome: success, or the code of the failure.", "outcome")
	m.attempts = map[event.Code]prometheus.Counter{"": vec.WithLabelValues("success")}
	for _, code := range failureCodes {
		m.attempts[code] = vec.WithLabelValues(string(code))
	}
	m.otherOutcome = vec.WithLabelValues("other")
}

// resolveSettled leaves out cancelled deliveries, because no attempt settles them.
func (m *Metrics) resolveSettled(r *prometheus.Registry) {
	vec := counterVec(r, "deliveries_settled_total", "Deliveries that an attempt settled, by final status.", "status")
	m.settled = map[event.Status]prometheus.Counter{}
	for _, status := range []event.Status{event.Delivered, event.Failed} {
		m.settled[status] = vec.WithLabelValues(status.String())
	}
}

// Accepted counts an accepted event.
func (m *Metrics) Accepted() { m.accepted.Inc() }

// Filtered counts an event that its subscription does not want.
func (m *Metrics) Filtered() { m.filtered.Inc() }

// Refused counts a problem response with that status.
func (m *Metrics) Refused(status int) {
	c, known := m.refused[status]
	if !known {
		c = m.refused[0]
	}
	c.Inc()
}

// KeyRefused counts a request that was refused because of its API key.
func (m *Metrics) KeyRefused(reason string) {
	if c, known := m.badKeys[reason]; known {
		c.Inc()
	}
}

// ConnectionRefused counts a connection that was closed because too many were open.
func (m *Metrics) ConnectionRefused() { m.connectionsRefused.Inc() }

// InFlight counts an attempt that begins (1) or ends (-1).
func (m *Metrics) InFlight(delta int) { m.inFlight.Add(float64(delta)) }

// Attempt counts an attempt and its effect on the delivery.
func (m *Metrics) Attempt(s event.Settlement) {
	outcome := &s.Attempt.Outcome
	ended, known := m.attempts[outcome.Code]
	if !known {
		ended = m.otherOutcome
	}
	ended.Inc()
	observe(m.attemptDuration, outcome.Duration)
	if s.Attempt.Number == 1 {
		observe(m.toFirst, outcome.StartedAt.Sub(s.Delivery.CreatedAt))
	}
	if settled, final := m.settled[s.Delivery.Status]; final {
		settled.Inc()
	}
	if s.Delivery.Status == event.Delivered {
		observe(m.toDelivered, s.Delivery.SettledAt.Sub(s.Delivery.CreatedAt))
	}
}

// Commit counts a transaction of the store, with the number of events and settled attempts that it
// wrote, and its duration.
func (m *Metrics) Commit(rows int, took time.Duration) {
	m.commits.Inc()
	m.commitRows.Add(float64(max(rows, 0)))
	observe(m.commitSeconds, took)
}

// observe records a negative duration, which a clock that was set back can cause, as 0.
func observe(h prometheus.Histogram, d time.Duration) {
	h.Observe(max(d, 0).Seconds())
}
