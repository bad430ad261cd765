package bench

import (
	"errors"
	"fmt"
	"time"
)

// Load is the load on the service.
type Load struct {
	// Connections publish at the same time, each one event after another.
	Connections int `json:"connections"`
	// Rate is the total number of events per second. With 0, each connection publishes the next
	// event as soon as it has the response to the last one.
	Rate int `json:"rate_per_second"`
	// Size is the length of a request body in bytes.
	Size int `json:"size_bytes"`
	// Subscriptions share the events. Slow of them have an endpoint that responds after SlowFor,
	// Failing one that responds with 500, and Hanging one that never responds. All others respond
	// with 200 at once.
	Subscriptions int           `json:"subscriptions"`
	Slow          int           `json:"slow"`
	SlowFor       time.Duration `json:"slow_for_ns"`
	Failing       int           `json:"failing"`
	Hanging       int           `json:"hanging"`
	// HTTPS makes the endpoints use TLS with a certificate of the bench. Close makes them close the
	// connection after each response.
	HTTPS bool `json:"https,omitzero"`
	Close bool `json:"close,omitzero"`
	// Warmup is how long the load runs before the measurement, and Duration the length of the
	// measurement.
	Warmup   time.Duration `json:"warmup_ns"`
	Duration time.Duration `json:"duration_ns"`
	// Queries is the number of status queries per second during the load.
	Queries int `json:"queries_per_second"`
}

// Limits of a load. A body must be long enough for the numbers by which the receiver tells events
// apart.
const (
	minSize          = 128
	maxSize          = 32 << 20
	maxConnections   = 10_000
	maxSubscriptions = 1_000_000
)

// Check returns what is wrong with a load, in terms of the command's flags.
func (l Load) Check() error {
	switch {
	case l.Connections < 1 || l.Connections > maxConnections:
		return fmt.Errorf("--connections is %d; write a number from 1 to %d", l.Connections, maxConnections)
	case l.Rate < 0:
		return fmt.Errorf("--rate is %d; write events per second, or 0 for as many as possible", l.Rate)
	case l.Size < minSize || l.Size > maxSize:
		return fmt.Errorf("--size is %d; write a number of bytes from %d to %d", l.Size, minSize, maxSize)
	case l.Subscriptions < 1 || l.Subscriptions > maxSubscriptions:
		return fmt.Errorf("--subscriptions is %d; write a number from 1 to %d", l.Subscriptions, maxSubscriptions)
	case l.Slow < 0 || l.Failing < 0 || l.Hanging < 0 || l.Slow+l.Failing+l.Hanging >= l.Subscriptions:
		return fmt.Errorf("--slow, --failing and --hanging are %d, %d and %d of %d subscriptions; leave at least one that responds at once",
			l.Slow, l.Failing, l.Hanging, l.Subscriptions)
	case l.SlowFor < 0:
		return fmt.Errorf("--slow-for is %v; write a duration like 2s", l.SlowFor)
	case l.Warmup < 0 || l.Duration <= 0:
		return errors.New("--duration must be more than 0, and --warmup must not be negative; write them like 5s")
	case l.Queries < 0:
		return fmt.Errorf("--queries is %d; write queries per second, or 0 for none", l.Queries)
	}
	return nil
}

// behaviour is the behaviour of an endpoint.
type behaviour int

const (
	prompt behaviour = iota
	slow
	failing
	hanging
)

// behaviourNames are the names in the paths of the receiver.
var behaviourNames = [...]string{prompt: "ok", slow: "slow", failing: "fail", hanging: "hang"}

// acceptsEvents reports whether events to such an endpoint are delivered.
func (m behaviour) acceptsEvents() bool { return m == prompt || m == slow }

// behaviourOf returns the behaviour of a subscription's endpoint. The bad ones come first.
func (l Load) behaviourOf(subscription int) behaviour {
	switch {
	case subscription < l.Hanging:
		return hanging
	case subscription < l.Hanging+l.Failing:
		return failing
	case subscription < l.Hanging+l.Failing+l.Slow:
		return slow
	}
	return prompt
}

// subscriptionOf returns the number of the subscription that gets the n-th event.
func (l Load) subscriptionOf(n uint64) int { return int(n % uint64(l.Subscriptions)) }
