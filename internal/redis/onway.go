package redis

import (
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// onWay is what is on its way from a node to the workers: reserved and not in the stream
// yet, or in the stream and not read yet. It is pure: no goroutine, no lock, no clock.
//
// A worker that has enough to do leaves the rest in the stream, so that how many are in
// there says how far the workers are behind, however many there are of them.
type onWay struct {
	reserved int
	bytes    int              // of their payloads
	backlog  int              // in the stream, of all nodes, when it was last looked at
	unread   []event.ID       // the subscriptions of those of this node in it, the oldest first
	of       map[event.ID]int // reserved and unread, of each subscription
	read     event.Throughput
	behind   map[event.ID]bool // the subscriptions that more was asked for than may be on their way
}

func newOnWay() onWay {
	return onWay{of: make(map[event.ID]int), behind: make(map[event.ID]bool)}
}

// reserve reserves capacity for one more delivery, if there is some.
func (w *onWay) reserve(subscription event.ID, size int, now time.Time) bool {
	if w.isFull() || w.bytes+size > bytesMost || w.of[subscription] >= w.most(now) {
		return false
	}
	w.reserved++
	w.bytes += size
	w.of[subscription]++
	return true
}

func (w *onWay) isFull() bool { return w.reserved+w.backlog >= streamMost }

// most returns how many of one subscription may be on their way.
func (w *onWay) most(now time.Time) int {
	if w.reserved+w.backlog >= streamMost/2 {
		return laneLeast
	}
	pace := w.read.PerSecond(now)
	if pace < goodPace { // perhaps because there was little to read
		return laneMost
	}
	return max(laneLeast, min(laneMost, int(pace*unreadTime.Seconds())))
}

// isBehind notes, and reports, that a delivery finds no capacity because the workers are
// the limit.
func (w *onWay) isBehind(subscription event.ID, now time.Time) bool {
	if w.read.PerSecond(now) < goodPace {
		return false
	}
	w.behind[subscription] = true
	return true
}

// cancel gives a reservation back.
func (w *onWay) cancel(subscription event.ID, size int) {
	w.reserved--
	w.bytes -= size
	w.leave(subscription)
}

func (w *onWay) leave(subscription event.ID) {
	if w.of[subscription]--; w.of[subscription] <= 0 {
		delete(w.of, subscription)
	}
}

// add notes that what was reserved is in the stream.
func (w *onWay) add(subscription event.ID, size int) {
	w.reserved--
	w.bytes -= size
	w.unread = append(w.unread, subscription)
}

// drop forgets the oldest n in the stream.
func (w *onWay) drop(n int) {
	for _, subscription := range w.unread[:n] {
		w.leave(subscription)
	}
	w.unread = append(w.unread[:0], w.unread[n:]...)
}

// takenBack notes that n were taken out of the stream because nobody read them.
func (w *onWay) takenBack(n int) {
	w.drop(min(n, len(w.unread)))
	w.backlog = max(0, w.backlog-n)
}

// seen takes in how many are in the stream. Of this node's there can be no more, and the
// oldest leave it first. It tells behind what that means for those that found no capacity.
func (w *onWay) seen(length int, now time.Time, behind func(subscription event.ID, is bool)) {
	w.backlog = length
	if read := len(w.unread) - length; read > 0 {
		w.drop(read)
		w.read.Add(now, read)
	}
	for subscription := range w.behind {
		is := w.isFull() || w.of[subscription] > w.most(now)/2
		if is = is && w.read.PerSecond(now) >= goodPace; !is {
			delete(w.behind, subscription)
		}
		behind(subscription, is)
	}
}

// release tells behind that nobody is to be slowed down.
func (w *onWay) release(behind func(subscription event.ID, is bool)) {
	for subscription := range w.behind {
		behind(subscription, false)
	}
	clear(w.behind)
}
