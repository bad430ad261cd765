package telemetry

import "github.com/prometheus/client_golang/prometheus"

// RedisMetrics counts what passes through Redis.
type RedisMetrics struct {
	up       prometheus.Gauge
	passedOn prometheus.Counter
	returned prometheus.Counter
}

// Redis adds the metrics of a node that uses Redis. It must be called at most once.
func (m *Metrics) Redis() *RedisMetrics {
	return &RedisMetrics{
		up:       gauge(m.registry, "redis_up", "1 if Redis responds, 0 if the database does its work instead."),
		passedOn: counter(m.registry, "redis_passed_on_total", "Deliveries that this node passed to the workers through Redis."),
		returned: counter(m.registry, "redis_returned_total", "Deliveries that were returned to the database because Redis refused them, they arrived late, or the worker had no capacity."),
	}
}

// RedisUp records whether Redis responds.
func (m *RedisMetrics) RedisUp(up bool) {
	m.up.Set(0)
	if up {
		m.up.Set(1)
	}
}

// PassedOn counts deliveries that were passed through Redis.
func (m *RedisMetrics) PassedOn(deliveries int) { m.passedOn.Add(float64(deliveries)) }

// Returned counts deliveries that were returned to the database.
func (m *RedisMetrics) Returned(deliveries int) { m.returned.Add(float64(deliveries)) }
