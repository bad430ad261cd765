package bench

import (
	"errors"
	"fmt"
	"time"
)

// Load is what a service is asked to do.
type Load struct {
	// Connections post at the same time, each one event after another.
	Connections int `json:"connections"`
	// Rate is how many events a second are posted in all; with 0, each connection
	// posts the next one as soon as the last was answered.
	Rate int `json:"rate_per_second"`
	// Size is the length of a request's body in bytes.
	Size int `json:"size_bytes"`
	// Subscriptions get the events in turn. So many of them are Slow, which answer
	// after SlowFor, or Failing, which answer 500, or Hanging, which never answer;
	// all others answer 200 at once.
	Subscriptions int           `json:"subscriptions"`
	Slow          int           `json:"slow"`
	SlowFor       time.Duration `json:"slow_for_ns"`
	Failing       int           `json:"failing"`
	Hanging       int           `json:"hanging"`
	// HTTPS is whether the endpoints speak TLS, with a certificate of the bench's own, and
	// Close whether they close the connection after each response.
	HTTPS bool `json:"https,omitzero"`
	Close bool `json:"close,omitzero"`
	// Warmup is how long the load runs before anything is counted, Duration how long after that.
	Warmup   time.Duration `json:"warmup_ns"`
	Duration time.Duration `json:"duration_ns"`
	// Queries is how many status queries a second are made beside the load.
	Queries int `json:"queries_per_second"`
}

// Limits of a load: what a machine can hold, and a body that has room for what the
// receiver tells events apart by.
const (
	minSize          = 128
	maxSize          = 32 << 20
	maxConnections   = 10_000
	maxSubscriptions = 1_000_000
)

// Check says what is wrong with a load, by the names of the command's flags.
func (l Load) Check() error {
	switch {
	case l.Connections < 1 || l.Connections > maxConnections:
		return fmt.Errorf("--connections is %d; 1 to %d are possible", l.Connections, maxConnections)
	case l.Rate < 0:
		return fmt.Errorf("--rate is %d; write events a second, or 0 for as many as are answered", l.Rate)
	case l.Size < minSize || l.Size > maxSize:
		return fmt.Errorf("--size is %d; a body has %d to %d bytes", l.Size, minSize, maxSize)
	case l.Subscriptions < 1 || l.Subscriptions > maxSubscriptions:
		return fmt.Errorf("--subscriptions is %d; 1 to %d are possible", l.Subscriptions, maxSubscriptions)
	case l.Slow < 0 || l.Failing < 0 || l.Hanging < 0 || l.Slow+l.Failing+l.Hanging >= l.Subscriptions:
		return fmt.Errorf("--slow, --failing and --hanging are %d, %d and %d of %d subscriptions: at least one must be left that answers at once",
			l.Slow, l.Failing, l.Hanging, l.Subscriptions)
	case l.SlowFor < 0:
		return fmt.Errorf("--slow-for is %v; write a duration like 2s", l.SlowFor)
	case l.Warmup < 0 || l.Duration <= 0:
		return errors.New("--duration must be longer than nothing, and --warmup not below it; write them like 5s")
	case l.Queries < 0:
		return fmt.Errorf("--queries is %d; write queries a second, or 0 for none", l.Queries)
	}
	return nil
}

// manner is how an endpoint behaves.
type manner int

const (
	prompt manner = iota
	slow
	failing
	hanging
)

// manners are their names in the paths of the receiver.
var manners = [...]string{prompt: "ok", slow: "slow", failing: "fail", hanging: "hang"}

// answers reports whether events to such an endpoint count as delivered.
func (m manner) answers() bool { return m == prompt || m == slow }

// mannerOf is that of a subscription by its number: the bad ones come first.
func (l Load) mannerOf(subscription int) manner {
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

// subscriptionOf is the number of the subscription that gets the n-th event.
func (l Load) subscriptionOf(n uint64) int { return int(n % uint64(l.Subscriptions)) }
