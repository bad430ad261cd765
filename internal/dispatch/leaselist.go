package dispatch

import (
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// work is one delivery that this node holds the lease of.
type work struct {
	claimed     event.Claimed
	lane        *lane
	interval    time.Duration // the lane's, when this one was started
	leasedUntil time.Time     // when the lease ends
	lost        bool          // another node has it: no attempt may be made
	prev, next  *work         // in the leaseList
}

// leaseList is the deliveries that this node holds, in the order in which their leases
// end: a list, because almost all are gone long before anyone looks.
type leaseList struct {
	first, last *work
	n           int
	byID        map[event.ID]*work
}

// add puts one at the end: its lease is the newest. Where the same delivery was held
// before, that lease is no more, and what is left of it must not touch the new one.
func (h *leaseList) add(w *work) {
	id := w.claimed.Delivery.ID
	if before := h.byID[id]; before != nil {
		h.remove(before)
		before.lost = true
	}
	if h.byID == nil {
		h.byID = map[event.ID]*work{}
	}
	h.byID[id] = w
	w.prev, w.next = h.last, nil
	if h.last == nil {
		h.first = w
	} else {
		h.last.next = w
	}
	h.last = w
	h.n++
}

// remove takes one out. One that is not in the list is left alone.
func (h *leaseList) remove(w *work) {
	if w.prev == nil && h.first != w {
		return
	}
	if w.prev == nil {
		h.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		h.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	h.n--
	delete(h.byID, w.claimed.Delivery.ID)
}

// expiringBefore lists those whose lease ends before the time given, at most so many:
// by the monotonic clock, or by the one on the wall, which the store goes by and
// which may have been set forward.
func (h *leaseList) expiringBefore(t time.Time, most int) []*work {
	var list []*work
	wall := t.Round(0)
	for w := h.first; w != nil && (w.leasedUntil.Before(t) || w.leasedUntil.Before(wall)) && len(list) < most; w = w.next {
		list = append(list, w)
	}
	return list
}

func leaseKeys(list []*work) []event.LeaseKey {
	keys := make([]event.LeaseKey, len(list))
	for i, w := range list {
		keys[i] = w.claimed.Delivery.LeaseKey()
	}
	return keys
}
