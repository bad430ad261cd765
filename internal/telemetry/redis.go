package telemetry

import "github.com/prometheus/client_golang/prometheus"

// RedisMetrics counts what goes through Redis.
type RedisMetrics struct {
	up       prometheus.Gauge
	passedOn prometheus.Counter
	returned prometheus.Counter
}

// Redis adds the metrics of a node that uses Redis. It is called once.
func (m *Metrics) Redis() *RedisMetrics {
	return &RedisMetrics{
		up:       gauge(m.registry, "redis_up", "1 while Redis answers, 0 while the database does its part."),
		passedOn: counter(m.registry, "redis_passed_on_total", "Deliveries that this node passed on to the workers through Redis."),
		returned: counter(m.registry, "redis_returned_total", "Deliveries that were given back to the database: Redis refused them, they came late, or there was no room."),
	}
}

// RedisUp notes whether Redis answers.
func (m *RedisMetrics) RedisUp(up bool) {
	m.up.Set(0)
	if up {
		m.up.Set(1)
	}
}

// PassedOn counts deliveries that were put into Redis.
func (m *RedisMetrics) PassedOn(deliveries int) { m.passedOn.Add(float64(deliveries)) }

// Returned counts deliveries that go back to the database.
func (m *RedisMetrics) Returned(deliveries int) { m.returned.Add(float64(deliveries)) }
