package redis

import (
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// inTransit counts the deliveries in transit from a node to the workers: reserved but not in the
// stream yet, or in the stream but not read yet. It is pure: no goroutine, no lock, no clock.
//
// A busy worker leaves entries in the stream. So the length of the stream says how far the
// workers are behind, whatever their number.
type inTransit struct {
	reserved       int
	bytes          int              // of the payloads of reserved deliveries
	backlog        int              // the length of the stream, with all nodes' entries, when it was last read
	unread         []event.ID       // the subscriptions of this node's entries in the stream, oldest first
	bySubscription map[event.ID]int // how many deliveries are reserved or unread
	read           event.Throughput
	behind         map[event.ID]bool // the subscriptions without capacity because the workers are behind
}

func newInTransit() inTransit {
	return inTransit{bySubscription: make(map[event.ID]int), behind: make(map[event.ID]bool)}
}

// reserve reserves capacity for one delivery. It returns false if there is none.
func (t *inTransit) reserve(subscription event.ID, size int, now time.Time) bool {
	if t.isFull() || t.bytes+size > maxQueuedBytes || t.bySubscription[subscription] >= t.limit(now) {
		return false
	}
	t.reserved++
	t.bytes += size
	t.bySubscription[subscription]++
	return true
}

func (t *inTransit) isFull() bool { return t.reserved+t.backlog >= maxInTransit }

// limit returns how many deliveries of one subscription may be in transit.
func (t *inTransit) limit(now time.Time) int {
	if t.reserved+t.backlog >= maxInTransit/2 {
		return minPerSubscription
	}
	rate := t.read.PerSecond(now)
	if rate < busyRate { // perhaps because there was little to read
		return maxPerSubscription
	}
	return max(minPerSubscription, min(maxPerSubscription, int(rate*unreadTime.Seconds())))
}

// isBehind reports whether there is no capacity for a delivery because the workers are behind. If
// so, it remembers the subscription.
func (t *inTransit) isBehind(subscription event.ID, now time.Time) bool {
	if t.read.PerSecond(now) < busyRate {
		return false
	}
	t.behind[subscription] = true
	return true
}

// cancel releases a reservation.
func (t *inTransit) cancel(subscription event.ID, size int) {
	t.reserved--
	t.bytes -= size
	t.remove(subscription)
}

func (t *inTransit) remove(subscription event.ID) {
	if t.bySubscription[subscription]--; t.bySubscription[subscription] <= 0 {
		delete(t.bySubscription, subscription)
	}
}

// add records that a reserved delivery is in the stream.
func (t *inTransit) add(subscription event.ID, size int) {
	t.reserved--
	t.bytes -= size
	t.unread = append(t.unread, subscription)
}

// drop removes the oldest n entries of this node.
func (t *inTransit) drop(n int) {
	for _, subscription := range t.unread[:n] {
		t.remove(subscription)
	}
	t.unread = append(t.unread[:0], t.unread[n:]...)
}

// reclaimed records that n entries were removed from the stream because no worker read them.
func (t *inTransit) reclaimed(n int) {
	t.drop(min(n, len(t.unread)))
	t.backlog = max(0, t.backlog-n)
}

// observeLength records the length of the stream. This node can't have more unread entries than
// the stream has, and the oldest are read first. It calls behind for each subscription that
// isBehind has remembered.
func (t *inTransit) observeLength(length int, now time.Time, behind func(subscription event.ID, is bool)) {
	t.backlog = length
	if read := len(t.unread) - length; read > 0 {
		t.drop(read)
		t.read.Add(now, read)
	}
	for subscription := range t.behind {
		is := t.isFull() || t.bySubscription[subscription] > t.limit(now)/2
		if is = is && t.read.PerSecond(now) >= busyRate; !is {
			delete(t.behind, subscription)
		}
		behind(subscription, is)
	}
}

// release calls behind with false for all subscriptions, so that no publisher is slowed down.
func (t *inTransit) release(behind func(subscription event.ID, is bool)) {
	for subscription := range t.behind {
		behind(subscription, false)
	}
	clear(t.behind)
}
