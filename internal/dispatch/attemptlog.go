package dispatch

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// summaryInterval is how often a node logs how many attempts it made, if it made any.
	summaryInterval = time.Minute
	// linesOfOne and linesOfAll limit the log lines about attempts in each such interval, for one
	// subscription and for all. Otherwise a dead endpoint with a long backlog would fill the disk.
	// Each attempt is in the database, whether it is logged or not.
	linesOfOne = 10
	linesOfAll = 300
	// forgetAfter is how long after its last attempt an endpoint is remembered as failing.
	forgetAfter = time.Hour
)

// attemptLog decides which attempts are logged, unless all are. It selects failures and the first
// success after them, within the limits. It counts all attempts.
type attemptLog struct {
	attempts, failed, delivered, deliveriesFailed atomic.Int64 // since the last summary

	failing atomic.Int64 // len(endpoints), so that a success need not lock mu if there are none

	mu        sync.Mutex
	endpoints map[event.ID]*endpointLog // those that fail or have failed since the last summary
	lines     int                       // since the last summary
	omitted   int
}

// endpointLog is what is remembered about one subscription's endpoint.
type endpointLog struct {
	failures int       // since its last success
	since    time.Time // the first of them
	last     time.Time
	lines    int // since the last summary
	omitted  int // since its last line
}

// verdict says what to log about an attempt.
type verdict struct {
	line      bool
	omitted   int           // how many lines about this subscription were omitted before
	recovered int           // how many attempts failed before this success
	after     time.Duration // since the first of them
}

func newAttemptLog() *attemptLog { return &attemptLog{endpoints: map[event.ID]*endpointLog{}} }

// note counts an attempt. If all attempts are logged, the caller ignores the verdict.
func (l *attemptLog) note(s event.Settlement, now time.Time) verdict {
	success := s.Attempt.Outcome.Success()
	l.attempts.Add(1)
	if !success {
		l.failed.Add(1)
	}
	switch s.Delivery.Status {
	case event.Delivered:
		l.delivered.Add(1)
	case event.Failed:
		l.deliveriesFailed.Add(1)
	}
	if success && l.failing.Load() == 0 {
		return verdict{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.endpoints[s.Delivery.SubscriptionID]
	switch {
	case !success:
		return l.failure(e, s.Delivery.SubscriptionID, now)
	case e == nil || e.failures == 0:
		return verdict{}
	}
	v := l.allow(e)
	v.recovered, v.after = e.failures, now.Sub(e.since)
	e.failures = 0
	return v
}

func (l *attemptLog) failure(e *endpointLog, id event.ID, now time.Time) verdict {
	if e == nil {
		e = &endpointLog{}
		l.endpoints[id] = e
		l.failing.Store(int64(len(l.endpoints)))
	}
	if e.failures == 0 {
		e.since = now
	}
	e.failures++
	e.last = now
	return l.allow(e)
}

// allow counts a line if it is within the limits, and otherwise omits it.
func (l *attemptLog) allow(e *endpointLog) (v verdict) {
	if e.lines >= linesOfOne || l.lines >= linesOfAll {
		e.omitted++
		l.omitted++
		return verdict{}
	}
	e.lines++
	l.lines++
	v = verdict{line: true, omitted: e.omitted}
	e.omitted = 0
	return v
}

// attemptCounts is the content of a summary.
type attemptCounts struct {
	attempts, failed            int64
	delivered, deliveriesFailed int64
	omitted                     int // log lines
	failingEndpoints            int
}

// summary returns the counts since the last summary and resets them.
func (l *attemptLog) summary(now time.Time) attemptCounts {
	c := attemptCounts{
		attempts: l.attempts.Swap(0), failed: l.failed.Swap(0),
		delivered: l.delivered.Swap(0), deliveriesFailed: l.deliveriesFailed.Swap(0),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.omitted, l.lines, l.omitted = l.omitted, 0, 0
	for id, e := range l.endpoints {
		if e.failures == 0 || now.Sub(e.last) > forgetAfter {
			delete(l.endpoints, id)
			continue
		}
		e.lines = 0
		c.failingEndpoints++
	}
	l.failing.Store(int64(len(l.endpoints)))
	return c
}
